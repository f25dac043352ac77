//! Every limit of the server, with its reason. Published where the protocol has a place for it.

use std::time::Duration;

/// A request body that is not a group or bulk (DESIGN.md section 8).
pub const BODY_BYTES: usize = 1024 * 1024;
/// A group's or bulk body: a thousand members and more in one request (Entra, Okta).
pub const LARGE_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The whole of a body must have arrived by then (T-30).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The head of a request must have arrived by then (T-30).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept this long: IdPs send a user every few seconds.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Requests under way may take this long to end when the server stops.
pub const DRAIN: Duration = Duration::from_secs(30);
/// The longest a stopping server may go on accepting: a load balancer that has not looked by then
/// does not look.
pub const DRAIN_DELAY: Duration = Duration::from_secs(5 * 60);
/// How long a stopping server that can be reached from elsewhere goes on accepting unless told:
/// a health check every 2 s that must fail twice, and a little.
pub const DRAIN_DELAY_DEFAULT: Duration = Duration::from_secs(5);
/// A TLS handshake must be done by then; a phone far away needs two.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes that one worker may have under way; connections that say nothing must not keep
/// others waiting (T-30).
pub const TLS_HANDSHAKES: usize = 4_096;
/// How often certificate files are looked at.
pub const TLS_LOOK: Duration = Duration::from_secs(2);
/// A certificate or key file; a long chain has 20 KiB.
pub const TLS_FILE_BYTES: u64 = 1024 * 1024;
/// How long before its end a certificate is warned about: two weeks, a holiday of whoever renews it.
pub const TLS_EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How often an ending certificate is warned about.
pub const TLS_WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a browser remembers to come over TLS only: long enough to count, short enough to
/// live down.
pub const HSTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Hops of `X-Forwarded-For` that are looked at.
pub const FORWARDED_HOPS: usize = 32;
/// An address: three times a filter of [`FILTER_BYTES`], every byte percent-encoded, and the rest.
pub const URL_BYTES: usize = 56 * 1024;
/// Nesting of a JSON body; real ones need five levels (T-30).
pub const JSON_DEPTH: usize = 32;
/// Text of a filter.
pub const FILTER_BYTES: usize = 16 * 1024;
/// Comparisons in a filter.
pub const FILTER_TERMS: usize = 1_000;
/// Nesting of a filter, checked before descending (T-14).
pub const FILTER_DEPTH: usize = 32;
/// Operations in one PATCH.
pub const PATCH_OPERATIONS: usize = 1_000;
/// Values in one PATCH, all operations together.
pub const PATCH_VALUES: usize = 10_000;
/// Values of one list attribute of a user; comparing them with each other must stay cheap.
pub const ATTRIBUTE_VALUES: usize = 1_000;
/// Resources on one page (`filter.maxResults`).
pub const PAGE: usize = 200;
/// Members shown on one page of groups; the page ends early beyond it.
pub const PAGE_MEMBERS: usize = 20_000;
/// Candidates a filter without an index is evaluated over; beyond it 400 `tooMany`.
pub const FILTER_CANDIDATES: usize = 25_000;
/// A text that is a key of an index (`externalId`, `userName`, `displayName`, an e-mail and its type, a member value).
pub const IDENTIFIER_BYTES: usize = 1_024;
/// (hub, user) pairs marked directly in one transaction; above it one wide mark.
pub const DIRECT_MARKS: usize = 500;
/// Pairs a wide mark is expanded by at a time.
pub const WIDE_MARK_BATCH: i64 = 200;
/// Stretches of [`WIDE_MARK_BATCH`] people that one page of a hub's drift looks at: 5,000 people are
/// some tenths of a second, and most of them are in order.
pub const DRIFT_STRETCHES: usize = 25;
/// People named in one repair; more than that is a repair of all.
pub const REPAIR_NAMES: usize = 500;
/// Tasks whose taking one undo looks at: some hundred megabytes of rows at once, in a read.
pub const UNDO_TASKS: usize = 100_000;
/// Shares that an undo of many writes in one transaction: a millisecond or less each, so that others wait
/// for no more than some tens.
pub const UNDO_BATCH: usize = 25;
/// Changes of mappings in one request of the API; files have no such limit but their size.
pub const MAPPING_CHANGES: usize = 200;
/// A page of the API where `limit` is not given, and at most.
pub const API_PAGE: (i64, i64) = (50, 500);
/// An answer from an app.
pub const REMOTE_BODY_BYTES: usize = 1024 * 1024;
/// What a command waits for our own server: a plan goes over everybody that 40 hubs reach.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// What a command takes from our own server: a plan names [`FILTER_CANDIDATES`] people in each hub.
pub const COMMAND_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// A request that led to a parent task leads to no second one in the same hub for this long: a
/// downgrade of its people may settle, wait for an app or be tried again by hand days later.
pub const PARENT_OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Children of a parent that one transaction tries again or withdraws.
pub const CHILDREN_AT_ONCE: i64 = 200;
/// Hours that a person has for an item by hand unless the hub says otherwise: over a weekend.
pub const ITEM_HOURS: u32 = 72;
/// The most that a hub may say, and the furthest that a person may put one item off: a year.
pub const ITEM_HOURS_MOST: u32 = 366 * 24;
/// Items without a time that one transaction of the sweep gives one.
pub const ITEMS_AT_ONCE: i64 = 500;
/// How far back the card of failures looks (R6.8).
pub const FAILURES_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Connecting to an app.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One call to an app.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// One attempt, which may be several calls; its lease ends [`LEASE_GRACE`] later.
pub const ATTEMPT: Duration = Duration::from_secs(90);
/// Between an attempt's deadline and its lease's end.
pub const LEASE_GRACE: Duration = Duration::from_secs(15);
/// Attempts before a task becomes a manual item.
pub const ATTEMPTS: i32 = 12;
/// The first pause between attempts; doubles.
pub const RETRY_BASE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
pub const RETRY_CAP: Duration = Duration::from_secs(15 * 60);
/// The longest wait an app may ask for; beyond it the hub is paused and shown.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Processes a task may kill before it is set aside (F-17).
pub const CRASHES: i32 = 3;
/// A session of the page ends this long after the token was typed: a working day.
pub const PAGE_SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// A form of the page: a note and the ids of all tasks of a batch that are shown.
pub const FORM_BYTES: usize = 64 * 1024;
/// People looked at for one page of a list: a role that hardly anybody has must not make a request
/// read the whole directory.
pub const PEOPLE_LOOKED_AT: usize = 5_000;
/// The longest text that people are looked for by, in characters.
pub const PERSON_TEXT: usize = 320;
/// Members shown with one team; a longer list is a SCIM client's to page.
pub const TEAM_SHOWN: i64 = 1_000;
/// Individual shares made at once when a group's share is taken apart (R5.10): each is a mapping that
/// a person has to look after from then on.
pub const SHARES_AT_ONCE: usize = 500;
/// How often in a row an address is written to that is refused, before it is given up for a day: a
/// mailbox that is full or put off is back within hours, one that does not exist never is.
pub const MAIL_TRIES: i32 = 6;
/// How long an address rests that was refused, or a mail server that cannot be used; an address rests
/// twice as long each time.
pub const MAIL_REST: Duration = Duration::from_secs(5 * 60);
/// How long an address rests that was given up.
pub const MAIL_GIVEN_UP_REST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one look at a workspace may spend on mail: whoever is left is told by the next one.
pub const MAIL_BUDGET: Duration = Duration::from_secs(20);
/// A token's end is announced this long before.
pub const TOKEN_EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Endpoints of a workspace: each event is written once for every one of them.
pub const WEBHOOKS: i64 = 20;
/// One call of an endpoint; whoever needs longer should accept first and work afterwards.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// A delivery that was taken is taken again after this: the call's time and a wide margin, so that
/// only the end of a process makes an event arrive twice.
pub const WEBHOOK_LEASE: Duration = Duration::from_secs(60);
/// Attempts of a delivery before it is dead.
pub const WEBHOOK_ATTEMPTS: i32 = 6;
/// The pause after the first attempt; each further one is [`WEBHOOK_FACTOR`] times as long, which
/// spreads the attempts over almost six hours.
pub const WEBHOOK_RETRY: Duration = Duration::from_secs(60);
/// See [`WEBHOOK_RETRY`].
pub const WEBHOOK_FACTOR: u32 = 4;
/// No attempt is begun later than this after a delivery was queued, whatever an endpoint asks for.
pub const WEBHOOK_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the signing secret from before a rotation signs beside the new one.
pub const WEBHOOK_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// How long delivered rows are kept for looking at.
pub const WEBHOOK_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long dead rows can be replayed: a month's holiday of whoever looks after them.
pub const WEBHOOK_DEAD_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Calls of one endpoint under way at a time, by one process.
pub const WEBHOOK_CALLS: i64 = 8;
/// Endpoints that one process calls at a time: a slow one must not keep the others waiting.
pub const WEBHOOK_ENDPOINTS: usize = 32;
/// The URL of an endpoint.
pub const WEBHOOK_URL_BYTES: usize = 2_048;
/// The guard's window (DESIGN.md section 2.5).
pub const GUARD_WINDOW: Duration = Duration::from_secs(10 * 60);
/// People of a workspace from whom something may be taken in the window, over all its hubs: beyond
/// this many *and* beyond [`GUARD_PEOPLE_PERCENT`] the guard holds (DESIGN.md section 2.5).
pub const GUARD_PEOPLE: u32 = 50;
/// The share that goes with [`GUARD_PEOPLE`], in percent.
pub const GUARD_PEOPLE_PERCENT: u32 = 5;
/// People of one local partner: removing it removes all its guests in one transaction.
pub const PARTNER_PEOPLE: usize = 500;
/// How far ahead a person may let held changes of one kind pass: a migration takes days, and a
/// guard that is off for longer is forgotten.
pub const GUARD_PASS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Members of groups whose workspace role a file changes, as far as a plan says by name what becomes of them.
pub const ROLE_EFFECTS: i64 = 25_000;
/// Assets in one mapping: a list that somebody can still read.
pub const MAPPING_ASSETS: usize = 1_000;
/// Assets on one account of an app, as far as they are ours: ten mappings full of them. More is a mistake of the
/// app, and would be kept with every change of the account.
pub const ACCOUNT_ASSETS: usize = 10_000;
/// Roles that a hub may protect: more are no list that anybody reads.
pub const PROTECTED_ROLES: usize = 100;
/// A hub's other tasks wait for the removal of a leaver that was tried in vain, where it is tried again
/// this soon: the longest pause after [`LEAVER_TRIES`].
pub const LEAVER_AWAITED: Duration = Duration::from_secs(16);
/// After as many tries in vain nothing waits for it any more. Pauses double from a second on: one removal
/// that keeps failing holds its hub up for half a minute in all.
pub const LEAVER_TRIES: i32 = 5;
/// Additions to a hub that come this soon after a removal or downgrade of somebody who stays still go before
/// it: whoever arrives waits least. Later ones do not, so that nobody keeps a seat for as long as others come.
pub const REDUCTION_LETS: Duration = Duration::from_secs(10);
/// A leaver still present in an app after this is a problem somebody must look at (DESIGN.md
/// section 2.13).
pub const LEAVER_PRESENT: Duration = Duration::from_secs(24 * 60 * 60);
/// A hub is out of date when no sync completed for this long (business-hubs.md section 7).
pub const SYNC_STALE: Duration = Duration::from_secs(48 * 60 * 60);
/// Between two syncs of a hub that nobody asks for (R7.1).
pub const SYNC_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one transaction of long work may take on SQLite, where every other writer waits for it: with its
/// commit and that of who waited, well below 50 ms.
pub const STRETCH: Duration = Duration::from_millis(15);
/// Pairs that one transaction of the planner looks at, at most; on SQLite as many as [`STRETCH`] allows.
pub const PLAN_BATCH: i64 = 200;
/// Accounts of a sync that one transaction applies at most; on SQLite as many as [`STRETCH`] allows.
pub const SYNC_BATCH: i64 = 200;
/// Ends of attempts in one transaction: on PostgreSQL their rows stay locked until its commit, on
/// SQLite everybody else's changes wait for it.
pub const ENDS_TOGETHER: usize = 100;
/// Lists of one sync that are read because rows moved between its pages, before it is content with
/// not knowing who is gone.
pub const SYNC_PASSES: i32 = 3;
/// Pages of one list; beyond it the app's cursors lead in a circle.
pub const SYNC_PAGES: i64 = 100_000;
/// How long the activity record is kept; what is older goes behind a checkpoint (DESIGN.md section 3).
pub const ACTIVITY_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// How long after the upgrade to marked records those without a mark are still taken for ours: replicas of
/// the version before write them until the last one is replaced. Whoever can write to the database
/// could put one in meanwhile, as they could before; so no longer than a rolling upgrade takes.
pub const RECORDS_UNMARKED: Duration = Duration::from_secs(60 * 60);
/// Records sealed, deleted or checked at a time: a few milliseconds.
pub const SEAL_BATCH: i64 = 250;
/// Records of one kind that explaining a moment in the past reads: of a person, of a hub's rules, of what
/// its groups say of a person. Thousands are years of changes; beyond it the newest count.
pub const BACK_THEN_RECORDS: i64 = 2_000;
/// Stretches of access of one person in one hub that are looked at for a moment in the past.
pub const BACK_THEN_STRETCHES: i64 = 200;
