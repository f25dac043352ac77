//! The seal of the activity record (DESIGN.md section 3, threat T-29): every record's hash is keyed
//! and covers the one before, so that whoever changes, takes out, puts in or moves a record needs
//! the installation's key to hide it. Until it has its place, a mark that it was written with tells
//! it from one that somebody else put in. Pure: keys and rows are arguments.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::base::secret::Secret;

/// A hash, a digest or a signature.
pub type Digest = [u8; 32];

/// What the first record of a chain stands on.
pub const GENESIS: Digest = [0; 32];

/// A record as it is sealed. Personal data stands beside it: only its keyed digest is covered, so
/// that erasing the data leaves the chain valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The tenant, so that a record copied to another one does not fit there.
    pub workspace: i64,
    /// The record's id.
    pub id: Vec<u8>,
    /// When, UTC microseconds.
    pub at: i64,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// To what.
    pub target: String,
    /// The hub.
    pub hub: Option<Vec<u8>>,
    /// The person.
    pub user: Option<Vec<u8>>,
    /// The task.
    pub task: Option<Vec<u8>>,
    /// The request behind it.
    pub request_id: Option<String>,
    /// The facts, as they are stored.
    pub detail: String,
    /// Of the personal data beside it, where there was any.
    pub personal_digest: Option<Vec<u8>>,
}

/// A record's content, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// As [`Content::workspace`], and so on.
    pub workspace: i64,
    /// Its id.
    pub id: &'a [u8],
    /// When.
    pub at: i64,
    /// What.
    pub kind: &'a str,
    /// Who.
    pub actor: &'a str,
    /// To what.
    pub target: &'a str,
    /// The hub.
    pub hub: Option<&'a [u8]>,
    /// The person.
    pub user: Option<&'a [u8]>,
    /// The task.
    pub task: Option<&'a [u8]>,
    /// The request.
    pub request_id: Option<&'a str>,
    /// The facts.
    pub detail: &'a str,
    /// Of the personal data.
    pub personal_digest: Option<&'a [u8]>,
}

impl Content {
    /// The same, borrowed.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            workspace: self.workspace,
            id: &self.id,
            at: self.at,
            kind: &self.kind,
            actor: &self.actor,
            target: &self.target,
            hub: self.hub.as_deref(),
            user: self.user.as_deref(),
            task: self.task.as_deref(),
            request_id: self.request_id.as_deref(),
            detail: &self.detail,
            personal_digest: self.personal_digest.as_deref(),
        }
    }
}

/// Who wrote a record: told by its mark when it was sealed, and sealed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This installation.
    Ours,
    /// Somebody who could write to the database and had not the key.
    Foreign,
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its place in the chain, from 1, without a gap.
    pub seq: i64,
    /// Over the hash before and the content.
    pub hash: Vec<u8>,
    /// What it covers.
    pub content: Content,
    /// The personal data, unless it was erased.
    pub personal: Option<String>,
    /// Who wrote it, as the sealer found.
    pub origin: Origin,
}

/// The end of a workspace's chain, and where retention has cut its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last record's place; zero where there is none.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Everything up to here was deleted behind a checkpoint.
    pub cut_seq: i64,
    /// Over all of it.
    pub signature: Vec<u8>,
}

/// The chain's end as it was at a moment: kept elsewhere, it shows a tail that was cut since.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// The tenant's number.
    pub workspace: i64,
    /// The last record's place.
    pub seq: i64,
    /// Its hash, hexadecimal.
    pub hash: String,
    /// When, UTC microseconds.
    pub at: i64,
    /// Over all of it, hexadecimal.
    pub signature: String,
}

/// What is wrong with a chain, at its first bad record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {what}")]
pub struct Broken {
    /// The first place that is not as it was sealed.
    pub seq: i64,
    /// In words.
    pub what: String,
}

/// Marks, seals and checks, under a key for each.
#[derive(Clone, Debug)]
pub struct Sealer {
    key: Secret<[u8; 32]>,
    mark: Secret<[u8; 32]>,
}

impl Sealer {
    /// Under the installation's keys for the chain and for marks.
    pub const fn new(key: Secret<[u8; 32]>, mark: Secret<[u8; 32]>) -> Self {
        Self { key, mark }
    }

    /// What a record carries from the moment it is written: without the key nobody puts one in.
    pub fn mark(&self, content: &Parts<'_>) -> Digest {
        mac(&self.mark, "mark", &fields(content, &numbers(content)))
    }

    /// Whether this mark was made here, for this content.
    pub fn is_marked(&self, content: &Parts<'_>, mark: &[u8]) -> bool {
        same(&self.mark(content), mark)
    }

    /// Whether this is the personal data that the content was written with; erased data is.
    pub fn is_beside(&self, content: &Parts<'_>, personal: Option<&str>) -> bool {
        personal
            .is_none_or(|text| content.personal_digest.is_some_and(|kept| same(&self.personal(content.id, text), kept)))
    }

    /// Until when records without a mark are still ours: signed, so that nobody grants it to themselves.
    pub fn sign_unmarked(&self, until: i64) -> String {
        format!("{until} {}", hex(&mac(&self.mark, "unmarked", &[Some(&until.to_be_bytes())])))
    }

    /// Whether that was signed here and is not over.
    pub fn allows_unmarked(&self, signed: &str, now: i64) -> bool {
        let until = signed.split(' ').next().and_then(|text| text.parse::<i64>().ok());
        until.is_some_and(|until| now <= until && same(self.sign_unmarked(until).as_bytes(), signed.as_bytes()))
    }

    /// The digest of personal data: keyed, because an address is easily guessed.
    pub fn personal(&self, id: &[u8], text: &str) -> Digest {
        mac(&self.key, "personal", &[Some(id), Some(text.as_bytes())])
    }

    /// The hash of a record in its place.
    pub fn link(&self, seq: i64, previous: &[u8], content: &Parts<'_>, origin: Origin) -> Digest {
        let label = match origin {
            Origin::Ours => "record",
            Origin::Foreign => "foreign record",
        };
        let (place, numbers) = (seq.to_be_bytes(), numbers(content));
        let mut parts = vec![Some(place.as_slice()), Some(previous)];
        parts.extend(fields(content, &numbers));
        mac(&self.key, label, &parts)
    }

    /// The signature of a chain's end.
    pub fn sign_head(&self, workspace: i64, seq: i64, hash: &[u8], cut_seq: i64) -> Digest {
        let numbers = [workspace.to_be_bytes(), seq.to_be_bytes(), cut_seq.to_be_bytes()];
        mac(&self.key, "head", &[Some(&numbers[0]), Some(&numbers[1]), Some(&numbers[2]), Some(hash)])
    }

    /// The signature of a checkpoint.
    pub fn sign_checkpoint(&self, workspace: i64, seq: i64, hash: &[u8], at: i64) -> Digest {
        let numbers = [workspace.to_be_bytes(), seq.to_be_bytes(), at.to_be_bytes()];
        mac(&self.key, "checkpoint", &[Some(&numbers[0]), Some(&numbers[1]), Some(&numbers[2]), Some(hash)])
    }

    /// Whether a checkpoint was signed here.
    pub fn knows(&self, checkpoint: &Checkpoint) -> bool {
        let Some(hash) = unhex(&checkpoint.hash) else { return false };
        let signature = self.sign_checkpoint(checkpoint.workspace, checkpoint.seq, &hash, checkpoint.at);
        unhex(&checkpoint.signature).is_some_and(|given| same(&signature, &given))
    }
}

/// The workspace and the moment, as they are covered.
const fn numbers(content: &Parts<'_>) -> [[u8; 8]; 2] {
    [content.workspace.to_be_bytes(), content.at.to_be_bytes()]
}

/// Everything that a mark and a hash cover, in an order that never changes.
fn fields<'a>(content: &Parts<'a>, [workspace, at]: &'a [[u8; 8]; 2]) -> [Option<&'a [u8]>; 12] {
    [
        Some(workspace),
        Some(content.id),
        Some(at),
        Some(content.kind.as_bytes()),
        Some(content.actor.as_bytes()),
        Some(content.target.as_bytes()),
        content.hub,
        content.user,
        content.task,
        content.request_id.map(str::as_bytes),
        Some(content.detail.as_bytes()),
        content.personal_digest,
    ]
}

/// Each part with its length before it, so that no two lists of parts read alike.
fn mac(key: &Secret<[u8; 32]>, label: &str, parts: &[Option<&[u8]>]) -> Digest {
    let fallback = hmac::digest::Key::<Hmac<Sha256>>::default();
    // HMAC takes a key of any length; the fallback exists only because the signature is fallible.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&fallback));
    for part in std::iter::once(&Some(label.as_bytes())).chain(parts) {
        match part {
            Some(bytes) => {
                mac.update(&[1]);
                mac.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
                mac.update(bytes);
            }
            None => mac.update(&[0]),
        }
    }
    mac.finalize().into_bytes().into()
}

/// Goes along a chain, record by record, and stops at the first that does not fit.
#[derive(Debug)]
pub struct Walk {
    sealer: Sealer,
    workspace: i64,
    seq: i64,
    hash: Vec<u8>,
}

impl Walk {
    /// From the beginning, or from the record that retention has cut behind, with its hash.
    pub fn new(sealer: Sealer, workspace: i64, cut: Option<(i64, Vec<u8>)>) -> Self {
        let (seq, hash) = cut.unwrap_or((0, GENESIS.to_vec()));
        Self { sealer, workspace, seq, hash }
    }

    /// The last good place.
    pub const fn seq(&self) -> i64 {
        self.seq
    }

    /// The last good hash.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// The next record.
    ///
    /// # Errors
    /// [`Broken`] at the first place that is not as it was sealed.
    pub fn step(&mut self, record: &Sealed) -> Result<(), Broken> {
        let wanted = self.seq.saturating_add(1);
        let broken = |seq, what: &str| Err(Broken { seq, what: what.to_owned() });
        if record.seq > wanted {
            return broken(wanted, "it is missing");
        }
        if record.seq < wanted {
            return broken(record.seq, "its place is taken twice");
        }
        if record.content.workspace != self.workspace {
            return broken(record.seq, "it belongs to another workspace");
        }
        let content = record.content.parts();
        let hash = self.sealer.link(record.seq, &self.hash, &content, record.origin);
        if !same(&hash, &record.hash) {
            return broken(record.seq, "it was changed, put in or moved after it was sealed");
        }
        if !self.sealer.is_beside(&content, record.personal.as_deref()) {
            return broken(record.seq, "the personal data beside it was changed");
        }
        self.seq = record.seq;
        self.hash = record.hash.clone();
        Ok(())
    }

    /// The end: nothing may be missing behind the last record.
    ///
    /// # Errors
    /// [`Broken`] at the first record that is missing, or at the end itself.
    pub fn end(&self, head: Option<&Head>) -> Result<(), Broken> {
        let next = self.seq.saturating_add(1);
        let broken = |seq, what: &str| Err(Broken { seq, what: what.to_owned() });
        let Some(head) = head else {
            return if self.seq == 0 { Ok(()) } else { broken(self.seq, "the signed end of the chain is gone") };
        };
        let signature = self.sealer.sign_head(self.workspace, head.seq, &head.hash, head.cut_seq);
        if !same(&signature, &head.signature) {
            return broken(self.seq, "the end of the chain was not signed by this installation");
        }
        if head.seq > self.seq {
            return broken(next, "it is missing: the end of the chain was cut");
        }
        if head.seq < self.seq {
            return broken(head.seq.saturating_add(1), "it was put in behind the end of the chain");
        }
        if !same(&head.hash, &self.hash) {
            return broken(self.seq, "it is not what the end of the chain was signed for");
        }
        Ok(())
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of hexadecimal text; `None` where it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
