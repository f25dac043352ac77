//! Everything that can be asked of the API, the page and a command through a server.

/// What a route does. Each route names exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The hubs page: which hubs and apps there are.
    SeeHubs,
    /// Connect a new hub.
    ConnectHub,
    /// Bring in somebody from outside the directory.
    InviteGuests,
    /// Remove guests; add or remove local partners.
    RemoveGuests,
    /// Local partners and who is in them.
    ReadPartners,
    /// Bring in, appoint and take out the people of one local partner.
    RunPartner,
    /// Who has which workspace role.
    ReadPeople,
    /// Give and take workspace roles.
    ChangeRoles,
    /// Hand the workspace to another Owner.
    TransferOwnership,
    /// Erase what is personal of somebody who is gone.
    ErasePeople,
    /// Users and groups as the identity provider pushed them.
    ReadDirectory,
    /// Which credentials there are; never their text.
    ReadTokens,
    /// Make and end credentials.
    ManageTokens,
    /// Sources and how they are set up.
    ReadProvisioning,
    /// Set up sources, sign-in and provisioning.
    ChangeProvisioning,
    /// Tasks and held batches over all hubs.
    ReadLog,
    /// The activity record, and access as it was.
    ReadActivity,
    /// Whether the record is whole, and its signed checkpoints.
    VerifyRecord,
    /// Sign a checkpoint of the record now.
    SignRecord,
    /// Figures of the whole installation.
    ReadMetrics,
    /// Stop and restart pushing in the workspace.
    PauseWorkspace,
    /// Plan and apply files; what they change is checked change by change.
    ApplyFiles,
    /// See what files would change, and for whom.
    PlanFiles,
    /// Hubs and mappings as a file.
    ExportFiles,
    /// Teams that are managed here and not by an identity provider.
    ManageTeams,
    /// Webhooks and notifications as they are set up.
    ReadWebhooks,
    /// Set up webhooks and notifications.
    ManageWebhooks,
    /// One person across all hubs.
    ReadPerson,
    /// A hub's details and assets.
    UseHub,
    /// Why somebody has access to a hub, or none.
    ExplainAccess,
    /// A hub's members, mappings, plan and status.
    ReadHub,
    /// One task or held batch of a hub.
    ReadTask,
    /// Add, remove and re-role people and teams; match, exempt; decide about their tasks.
    ManageMembers,
    /// Sync a hub with its app.
    SyncHub,
    /// Protect accounts from automation, and let a change of one through.
    ProtectMembers,
    /// Settings, secrets, service account, threshold, mode.
    EditHub,
    /// Forget a hub.
    DeleteHub,
    /// Make and unmake Owners and Managers of a hub.
    AssignManagers,
}

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The workspace.
    Workspace,
    /// One hub, or something of one.
    Hub,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 38] = [
        Self::SeeHubs,
        Self::ConnectHub,
        Self::InviteGuests,
        Self::RemoveGuests,
        Self::ReadPartners,
        Self::RunPartner,
        Self::ReadPeople,
        Self::ChangeRoles,
        Self::TransferOwnership,
        Self::ErasePeople,
        Self::ReadDirectory,
        Self::ReadTokens,
        Self::ManageTokens,
        Self::ReadProvisioning,
        Self::ChangeProvisioning,
        Self::ReadLog,
        Self::ReadActivity,
        Self::VerifyRecord,
        Self::SignRecord,
        Self::ReadMetrics,
        Self::PauseWorkspace,
        Self::ApplyFiles,
        Self::PlanFiles,
        Self::ExportFiles,
        Self::ManageTeams,
        Self::ReadWebhooks,
        Self::ManageWebhooks,
        Self::ReadPerson,
        Self::UseHub,
        Self::ExplainAccess,
        Self::ReadHub,
        Self::ReadTask,
        Self::ManageMembers,
        Self::SyncHub,
        Self::ProtectMembers,
        Self::EditHub,
        Self::DeleteHub,
        Self::AssignManagers,
    ];

    /// The word in a refusal and in the description of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeeHubs => "see_hubs",
            Self::ConnectHub => "connect_hub",
            Self::InviteGuests => "invite_guests",
            Self::RemoveGuests => "remove_guests",
            Self::ReadPartners => "read_partners",
            Self::RunPartner => "run_partner",
            Self::ReadPeople => "read_people",
            Self::ChangeRoles => "change_roles",
            Self::TransferOwnership => "transfer_ownership",
            Self::ErasePeople => "erase_people",
            Self::ReadDirectory => "read_directory",
            Self::ReadTokens => "read_tokens",
            Self::ManageTokens => "manage_tokens",
            Self::ReadProvisioning => "read_provisioning",
            Self::ChangeProvisioning => "change_provisioning",
            Self::ReadLog => "read_log",
            Self::ReadActivity => "read_activity",
            Self::VerifyRecord => "verify_record",
            Self::SignRecord => "sign_record",
            Self::ReadMetrics => "read_metrics",
            Self::PauseWorkspace => "pause_workspace",
            Self::ApplyFiles => "apply_files",
            Self::PlanFiles => "plan_files",
            Self::ExportFiles => "export_files",
            Self::ManageTeams => "manage_teams",
            Self::ReadWebhooks => "read_webhooks",
            Self::ManageWebhooks => "manage_webhooks",
            Self::ReadPerson => "read_person",
            Self::UseHub => "use_hub",
            Self::ExplainAccess => "explain_access",
            Self::ReadHub => "read_hub",
            Self::ReadTask => "read_task",
            Self::ManageMembers => "manage_members",
            Self::SyncHub => "sync_hub",
            Self::ProtectMembers => "protect_members",
            Self::EditHub => "edit_hub",
            Self::DeleteHub => "delete_hub",
            Self::AssignManagers => "assign_managers",
        }
    }

    /// What it is about.
    pub const fn extent(self) -> Extent {
        match self {
            Self::SeeHubs
            | Self::ConnectHub
            | Self::InviteGuests
            | Self::RemoveGuests
            | Self::ReadPartners
            | Self::RunPartner
            | Self::ReadPeople
            | Self::ChangeRoles
            | Self::TransferOwnership
            | Self::ErasePeople
            | Self::ReadDirectory
            | Self::ReadTokens
            | Self::ManageTokens
            | Self::ReadProvisioning
            | Self::ChangeProvisioning
            | Self::ReadLog
            | Self::ReadActivity
            | Self::VerifyRecord
            | Self::SignRecord
            | Self::ReadMetrics
            | Self::PauseWorkspace
            | Self::ApplyFiles
            | Self::PlanFiles
            | Self::ExportFiles
            | Self::ManageTeams
            | Self::ReadWebhooks
            | Self::ManageWebhooks
            | Self::ReadPerson => Extent::Workspace,
            Self::UseHub
            | Self::ExplainAccess
            | Self::ReadHub
            | Self::ReadTask
            | Self::ManageMembers
            | Self::SyncHub
            | Self::ProtectMembers
            | Self::EditHub
            | Self::DeleteHub
            | Self::AssignManagers => Extent::Hub,
        }
    }

    /// Whether it changes something. An auditor does none of these.
    pub const fn changes(self) -> bool {
        match self {
            Self::ConnectHub
            | Self::InviteGuests
            | Self::RemoveGuests
            | Self::RunPartner
            | Self::ChangeRoles
            | Self::TransferOwnership
            | Self::ErasePeople
            | Self::ManageTokens
            | Self::ChangeProvisioning
            | Self::SignRecord
            | Self::PauseWorkspace
            | Self::ApplyFiles
            | Self::ManageTeams
            | Self::ManageWebhooks
            | Self::ManageMembers
            | Self::SyncHub
            | Self::ProtectMembers
            | Self::EditHub
            | Self::DeleteHub
            | Self::AssignManagers => true,
            Self::SeeHubs
            | Self::ReadPartners
            | Self::ReadPeople
            | Self::ReadDirectory
            | Self::ReadTokens
            | Self::ReadProvisioning
            | Self::ReadLog
            | Self::ReadActivity
            | Self::VerifyRecord
            | Self::ReadMetrics
            | Self::PlanFiles
            | Self::ExportFiles
            | Self::ReadWebhooks
            | Self::ReadPerson
            | Self::UseHub
            | Self::ExplainAccess
            | Self::ReadHub
            | Self::ReadTask => false,
        }
    }
}
