-- What a batch of the guard took once it was released: undo reads it, and most tasks were never held.
CREATE INDEX tasks_of_hold ON tasks (workspace, hold_id, id) WHERE hold_id IS NOT NULL;
