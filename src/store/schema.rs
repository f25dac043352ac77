//! The tables, as diesel sees them. The same columns on both databases; a test compares the
//! two sets of migrations with this file.

#![expect(missing_docs, reason = "columns are explained in the migrations")]

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    workspaces (id) {
        id -> BigInt,
        name -> Text,
        paused -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    sources (workspace, id) {
        workspace -> BigInt,
        id -> BigInt,
        name -> Text,
        preset -> Text,
        strict -> Bool,
        created_at -> BigInt,
        last_request_at -> Nullable<BigInt>,
        last_success_at -> Nullable<BigInt>,
        error_streak -> BigInt,
    }
}

diesel::table! {
    tokens (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        source -> BigInt,
        name -> Text,
        scope -> Text,
        lookup -> Text,
        hash -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        sessions_ended_at -> Nullable<BigInt>,
        acts_as -> Nullable<Binary>,
        role -> Nullable<Text>,
    }
}

diesel::table! {
    workspace_roles (workspace, user_id) {
        workspace -> BigInt,
        user_id -> Binary,
        role -> Text,
        given_by -> Text,
        given_at -> BigInt,
    }
}

diesel::table! {
    role_mappings (workspace, group_id) {
        workspace -> BigInt,
        group_id -> Binary,
        role -> Text,
        given_by -> Text,
        given_at -> BigInt,
        owner -> Nullable<Text>,
        file_ref -> Nullable<Text>,
    }
}

diesel::table! {
    hub_managers (workspace, hub_id, user_id) {
        workspace -> BigInt,
        hub_id -> Binary,
        user_id -> Binary,
        role -> Text,
        service_account -> Bool,
        given_by -> Text,
        given_at -> BigInt,
    }
}

diesel::table! {
    users (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        source -> BigInt,
        user_name -> Text,
        user_name_key -> Text,
        display_name_key -> Nullable<Text>,
        external_id -> Nullable<Text>,
        active -> Bool,
        deactivated_at -> Nullable<BigInt>,
        version -> BigInt,
        created_at -> BigInt,
        modified_at -> BigInt,
        document -> Text,
        address_taken_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    user_emails (workspace, email_key, user_id, type_key) {
        workspace -> BigInt,
        email_key -> Text,
        user_id -> Binary,
        type_key -> Text,
    }
}

diesel::table! {
    user_groups (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        source -> BigInt,
        display_name -> Text,
        display_name_key -> Text,
        external_id -> Nullable<Text>,
        version -> BigInt,
        created_at -> BigInt,
        modified_at -> BigInt,
        document -> Text,
    }
}

diesel::table! {
    memberships (workspace, group_id, member_id) {
        workspace -> BigInt,
        group_id -> Binary,
        member_id -> Binary,
        member_kind -> SmallInt,
        confirmed_at -> BigInt,
    }
}

diesel::table! {
    pending_members (workspace, group_id, value) {
        workspace -> BigInt,
        group_id -> Binary,
        value -> Text,
        source -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    hubs (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        slug -> Text,
        app -> Text,
        label -> Text,
        login -> Text,
        mode -> Text,
        paused -> Bool,
        settle_micros -> BigInt,
        connection -> Text,
        policy -> Text,
        owner -> Nullable<Text>,
        file_ref -> Nullable<Text>,
        revision -> BigInt,
        created_at -> BigInt,
        modified_at -> BigInt,
        last_synced_at -> Nullable<BigInt>,
        batch_from -> Nullable<BigInt>,
        batch_planned_at -> Nullable<BigInt>,
        sync_due_at -> BigInt,
        created_by -> Nullable<Text>,
    }
}

diesel::table! {
    hub_waits (workspace, hub_id) {
        workspace -> BigInt,
        hub_id -> Binary,
        since_at -> BigInt,
        until_at -> BigInt,
        reason -> Text,
        kinds -> Text,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
    }
}

diesel::table! {
    sync_runs (workspace, task_id) {
        workspace -> BigInt,
        task_id -> Binary,
        hub_id -> Binary,
        phase -> Text,
        cursor -> Nullable<Text>,
        pass -> Integer,
        seen -> BigInt,
        total -> Nullable<BigInt>,
        conclusive -> Bool,
        accept_removals -> Bool,
        started_at -> Nullable<BigInt>,
        after_key -> Nullable<Text>,
        after_id -> Nullable<Binary>,
        counts -> Text,
        cleared -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    sync_seen (workspace, task_id, remote_id) {
        workspace -> BigInt,
        task_id -> Binary,
        remote_id -> Text,
        member_id -> Binary,
        address -> Nullable<Text>,
        display -> Text,
        role -> Nullable<Text>,
        state -> Text,
        expires_at -> Nullable<BigInt>,
        seen_at -> BigInt,
        assets -> Nullable<Text>,
    }
}

diesel::table! {
    hub_lanes (workspace, hub_id) {
        workspace -> BigInt,
        hub_id -> Binary,
        max_in_flight -> Integer,
        per_second -> Nullable<Double>,
        next_allowed_at -> BigInt,
        breaker -> Text,
        breaker_failures -> Integer,
        breaker_until -> BigInt,
        blocked_reason -> Nullable<Text>,
        last_claim_at -> BigInt,
        last_success_at -> Nullable<BigInt>,
        error_streak -> BigInt,
    }
}

diesel::table! {
    hub_secrets (workspace, hub_id, name) {
        workspace -> BigInt,
        hub_id -> Binary,
        name -> Text,
        key_id -> Text,
        sealed -> Binary,
        modified_at -> BigInt,
    }
}

diesel::table! {
    mappings (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        subject_kind -> Text,
        subject_by -> Text,
        subject_value -> Text,
        subject_key -> Text,
        subject_source -> Nullable<BigInt>,
        bound_id -> Nullable<Binary>,
        binding -> Text,
        scope -> Text,
        hub_role -> Text,
        app_role -> Text,
        seat -> Bool,
        assets -> Text,
        owner -> Nullable<Text>,
        file_ref -> Nullable<Text>,
        confirmed_at -> BigInt,
        created_at -> BigInt,
        modified_at -> BigInt,
    }
}

diesel::table! {
    reconcile_marks (workspace, hub_id, user_id) {
        workspace -> BigInt,
        hub_id -> Binary,
        user_id -> Binary,
        due_at -> BigInt,
        settle_until -> BigInt,
        rev -> BigInt,
        cause -> Text,
        request_id -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    wide_marks (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        group_id -> Nullable<Binary>,
        after_id -> Nullable<Binary>,
        due_at -> BigInt,
        settle_until -> BigInt,
        cause -> Text,
        request_id -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    hub_members (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        user_id -> Nullable<Binary>,
        remote_id -> Nullable<Text>,
        email_key -> Nullable<Text>,
        display -> Text,
        bucket -> Text,
        managed -> Bool,
        protected -> Bool,
        status -> Text,
        hub_role -> Nullable<Text>,
        known_state -> Text,
        known_role -> Nullable<Text>,
        known_assets -> Text,
        known_at -> BigInt,
        known_from -> Text,
        observed_state -> Nullable<Text>,
        observed_role -> Nullable<Text>,
        observed_at -> Nullable<BigInt>,
        reasons -> Text,
        exempt_reason -> Nullable<Text>,
        invited_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        modified_at -> BigInt,
        observed_assets -> Nullable<Text>,
    }
}

diesel::table! {
    tasks (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        subject -> Text,
        user_id -> Nullable<Binary>,
        member_id -> Nullable<Binary>,
        kind -> Text,
        status -> Text,
        cause -> Text,
        request_id -> Nullable<Text>,
        payload -> Text,
        reasons -> Text,
        priority -> Integer,
        not_before -> BigInt,
        attempts -> Integer,
        crashes -> Integer,
        verify_first -> Bool,
        lease_boot -> Nullable<Binary>,
        lease_epoch -> BigInt,
        lease_until -> Nullable<BigInt>,
        hold_id -> Nullable<Binary>,
        superseded_by -> Nullable<Binary>,
        error_class -> Nullable<Text>,
        error_detail -> Nullable<Text>,
        instructions -> Nullable<Text>,
        created_at -> BigInt,
        modified_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        finished_by -> Nullable<Text>,
        parent_id -> Nullable<Binary>,
        due_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    parent_tasks (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        cause -> Text,
        request_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    task_owners (workspace, task_id) {
        workspace -> BigInt,
        task_id -> Binary,
        user_id -> Nullable<Binary>,
        name -> Nullable<Text>,
        given_by -> Text,
        given_at -> BigInt,
    }
}

diesel::table! {
    failures_read (workspace, reader, category) {
        workspace -> BigInt,
        reader -> Text,
        category -> Text,
        read_at -> BigInt,
    }
}

diesel::table! {
    attempts (workspace, task_id, number) {
        workspace -> BigInt,
        task_id -> Binary,
        number -> Integer,
        epoch -> BigInt,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        error_class -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    holds (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        hub_id -> Binary,
        reason -> Text,
        status -> Text,
        created_at -> BigInt,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    guard_passes (workspace, hub_id, reason) {
        workspace -> BigInt,
        hub_id -> Binary,
        reason -> Text,
        hold_id -> Binary,
        until_at -> BigInt,
        given_by -> Text,
        note -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    leavers (workspace, user_id) {
        workspace -> BigInt,
        user_id -> Binary,
        left_at -> BigInt,
    }
}

diesel::table! {
    duties (name) {
        name -> Text,
        due_at -> BigInt,
    }
}

diesel::table! {
    decisions (workspace, hub_id, subject) {
        workspace -> BigInt,
        hub_id -> Binary,
        subject -> Text,
        digest -> Binary,
        kind -> Text,
        task_id -> Nullable<Binary>,
        decided_by -> Text,
        note -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    problems (workspace, hub_id, cause) {
        workspace -> BigInt,
        hub_id -> Binary,
        cause -> Text,
        message -> Text,
        occurrences -> BigInt,
        opened_at -> BigInt,
        seen_at -> BigInt,
        closed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    access_intervals (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        user_id -> Nullable<Binary>,
        person -> Text,
        hub_id -> Binary,
        hub_slug -> Text,
        member_id -> Binary,
        app_role -> Nullable<Text>,
        assets -> Text,
        from_at -> BigInt,
        to_at -> Nullable<BigInt>,
        from_cause -> Text,
        to_cause -> Nullable<Text>,
        from_task -> Nullable<Binary>,
        to_task -> Nullable<Binary>,
        evidence -> Text,
    }
}

diesel::table! {
    activity (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        at -> BigInt,
        kind -> Text,
        actor -> Text,
        target -> Text,
        hub_id -> Nullable<Binary>,
        user_id -> Nullable<Binary>,
        task_id -> Nullable<Binary>,
        request_id -> Nullable<Text>,
        detail -> Text,
        personal -> Nullable<Text>,
        seq -> Nullable<BigInt>,
        hash -> Nullable<Binary>,
        personal_digest -> Nullable<Binary>,
        mark -> Nullable<Binary>,
        foreign_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    activity_heads (workspace) {
        workspace -> BigInt,
        seq -> BigInt,
        hash -> Binary,
        cut_seq -> BigInt,
        signature -> Binary,
    }
}

diesel::table! {
    activity_checkpoints (workspace, seq) {
        workspace -> BigInt,
        seq -> BigInt,
        hash -> Binary,
        at -> BigInt,
        signature -> Binary,
    }
}

diesel::table! {
    webhooks (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        name -> Text,
        url -> Text,
        types -> Text,
        enabled -> Bool,
        disabled_why -> Nullable<Text>,
        key_id -> Text,
        sealed -> Binary,
        old_key_id -> Nullable<Text>,
        old_sealed -> Nullable<Binary>,
        old_until -> Nullable<BigInt>,
        created_at -> BigInt,
        last_success_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhook_deliveries (workspace, webhook_id, event_id) {
        workspace -> BigInt,
        webhook_id -> Binary,
        event_id -> Binary,
        event_type -> Text,
        body -> Text,
        state -> Text,
        attempts -> Integer,
        epoch -> BigInt,
        due_at -> BigInt,
        queued_at -> BigInt,
        created_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        status -> Nullable<Integer>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    notifications (workspace) {
        workspace -> BigInt,
        mail -> Text,
        webhook_id -> Nullable<Binary>,
        conditions -> Text,
        remind_seconds -> BigInt,
        silent_seconds -> BigInt,
        sent_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
        error -> Nullable<Text>,
        hub_owners -> Bool,
    }
}

diesel::table! {
    told (workspace, key) {
        workspace -> BigInt,
        key -> Text,
        line -> Text,
        first_told -> BigInt,
        last_told -> BigInt,
    }
}

diesel::table! {
    mail_refusals (workspace, way) {
        workspace -> BigInt,
        way -> Text,
        mail -> Text,
        tries -> Integer,
        failed_at -> BigInt,
        error -> Text,
    }
}

diesel::table! {
    given_fields (workspace, hub_id, user_id, name) {
        workspace -> BigInt,
        hub_id -> Binary,
        user_id -> Binary,
        name -> Text,
        value -> Text,
        given_by -> Text,
        given_at -> BigInt,
    }
}

diesel::table! {
    protections (workspace, member_id) {
        workspace -> BigInt,
        member_id -> Binary,
        hub_id -> Binary,
        reason -> Text,
        given_by -> Text,
        given_at -> BigInt,
        until_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    partners (workspace, id) {
        workspace -> BigInt,
        id -> Binary,
        name -> Text,
        name_key -> Text,
        created_by -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    partner_people (workspace, partner_id, user_id) {
        workspace -> BigInt,
        partner_id -> Binary,
        user_id -> Binary,
        role -> Text,
        given_by -> Text,
        given_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    settings,
    workspaces,
    sources,
    tokens,
    workspace_roles,
    role_mappings,
    hub_managers,
    users,
    user_emails,
    user_groups,
    memberships,
    pending_members,
    hubs,
    hub_lanes,
    hub_waits,
    sync_runs,
    sync_seen,
    hub_secrets,
    mappings,
    reconcile_marks,
    wide_marks,
    hub_members,
    tasks,
    parent_tasks,
    task_owners,
    failures_read,
    attempts,
    holds,
    guard_passes,
    leavers,
    duties,
    decisions,
    problems,
    access_intervals,
    activity,
    activity_heads,
    activity_checkpoints,
    webhooks,
    webhook_deliveries,
    notifications,
    told,
    mail_refusals,
    given_fields,
    protections,
    partners,
    partner_people,
);
