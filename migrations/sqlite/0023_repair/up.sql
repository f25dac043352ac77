-- What is explained of a moment that is past rests on the record: who was in a group, and which rules a
-- hub had. Both indexes hold few of its rows: nothing that a worker or the planner writes is in them.
-- The conditions are those of store::back_then, letter by letter.
CREATE INDEX activity_groups ON activity (workspace, target, id)
    WHERE kind IN ('group.created', 'group.updated', 'group.deleted',
                   'team.created', 'team.deleted', 'team.member_added', 'team.member_removed');
CREATE INDEX activity_rules ON activity (workspace, hub_id, id)
    WHERE kind IN ('mapping.added', 'mapping.changed', 'mapping.removed', 'mapping.bound', 'hub.connected',
                   'hub.activated', 'hub.observes', 'hub.paused', 'hub.resumed');

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('activity', 'activity_groups', '10000 10000 100 1'),
    ('activity', 'activity_rules', '1000 1000 100 1');
ANALYZE sqlite_schema;
