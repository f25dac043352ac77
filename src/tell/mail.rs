//! Mail to people: the addresses of the workspace's list, then the Owners of hubs (R6.5), each a
//! message of their own. An address that is refused rests by itself and keeps nobody from their turn;
//! a server that takes nothing ends the round for all.

use std::collections::BTreeSet;

use super::notify::{Look, Notifier, remember};
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::base::limits::{MAIL_BUDGET, MAIL_REST};
use crate::domain::addressee::{Addressee, Hears, Refusal};
use crate::domain::notice::{self, Digest};
use crate::net::mail::MailError;
use crate::store::notices::{self, Recipients};
use crate::store::{StoreError, mail_refusals};

impl Notifier {
    /// Tell everybody for whom there is news and who does not rest.
    ///
    /// # Errors
    /// A failed statement.
    pub(super) async fn by_mail(&self, workspace: WorkspaceId, look: &Look, now: Micros) -> Result<(), StoreError> {
        self.forget_others(workspace, look).await?;
        // Without a mail server only those are failed who were named to get mail.
        let nobody = look.recipients.mail.is_empty() && self.mailer.is_none();
        if nobody || look.standing.failed_at.is_some_and(|at| now.since(at) < MAIL_REST) {
            return Ok(());
        }
        let Recipients { conditions, remind, .. } = &look.recipients;
        for addressee in &look.addressees {
            let before = look.refusals.get(&addressee.way).filter(|refusal| refusal.mail == addressee.mail);
            if before.is_some_and(|refusal| refusal.rests(&addressee.mail, now)) {
                continue;
            }
            let digest = addressee.news(&look.holds, look.told(&addressee.way), conditions, *remind, now);
            if digest.is_empty() {
                continue;
            }
            if self.clock.now().since(now) >= MAIL_BUDGET {
                break;
            }
            match self.send(look, addressee, &digest, now).await {
                Ok(()) => self.sent(workspace, addressee, digest, now).await?,
                Err(MailError::Refused(error)) => {
                    let tries = before.map_or(0, |refusal| refusal.tries).saturating_add(1);
                    let refusal = Refusal { mail: addressee.mail.clone(), tries, at: now, error };
                    self.refused(workspace, addressee, refusal).await?;
                }
                Err(error @ (MailError::Settings(_) | MailError::Failed(_))) => {
                    let why = error.to_string();
                    tracing::warn!(workspace = workspace.0, why, "mail does not go out");
                    return self.store.write(move |tx| notices::mailed(tx, workspace, Some(&why), now)).await;
                }
            }
        }
        Ok(())
    }

    /// What is remembered of those who are not told any more, and of hubs that are not theirs any more.
    async fn forget_others(&self, workspace: WorkspaceId, look: &Look) -> Result<(), StoreError> {
        let ways: BTreeSet<String> = look.addressees.iter().map(|one| one.way.clone()).collect();
        let mut gone: Vec<(String, Vec<String>)> = Vec::new();
        for (way, told) in look.told.iter().filter(|(way, _)| *way != "webhook") {
            let addressee = look.addressees.iter().find(|one| one.way == *way);
            let is_theirs = |key: &str| match addressee.map(|one| &one.hears) {
                None => false,
                Some(Hears::Workspace) => true,
                Some(Hears::Hubs(hubs)) => notice::hub_of(key).is_some_and(|hub| hubs.contains(hub)),
            };
            let keys: Vec<String> = told.iter().filter(|one| !is_theirs(&one.key)).map(|one| one.key.clone()).collect();
            if !keys.is_empty() {
                gone.push((way.clone(), keys));
            }
        }
        let refused = look.refusals.keys().any(|way| !ways.contains(way));
        if gone.is_empty() && !refused {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                for (way, keys) in &gone {
                    notices::over(tx, workspace, way, keys.iter().map(String::as_str))?;
                }
                mail_refusals::keep_only(tx, workspace, &ways)
            })
            .await
    }

    async fn send(&self, look: &Look, addressee: &Addressee, digest: &Digest, now: Micros) -> Result<(), MailError> {
        let Some(mailer) = self.mailer.clone() else {
            return Err(MailError::Settings(String::from("no mail server is set up; see --smtp-url")));
        };
        let (subject, text) = (digest.subject(&look.name), digest.text(&self.base_url, &look.name));
        let (to, id) = (addressee.mail.clone(), self.ids.next());
        tokio::task::spawn_blocking(move || mailer.send(&to, &subject, &text, (id, now)))
            .await
            .unwrap_or_else(|_| Err(MailError::Refused(String::from("sending it ended in a panic"))))
    }

    /// First the mail, then that it was told: who dies in between tells twice, never not at all.
    async fn sent(
        &self,
        workspace: WorkspaceId,
        addressee: &Addressee,
        digest: Digest,
        now: Micros,
    ) -> Result<(), StoreError> {
        tracing::info!(workspace = workspace.0, new = digest.new.len(), who = who(addressee), "told somebody by mail");
        let way = addressee.way.clone();
        self.store
            .write(move |tx| {
                notices::mailed(tx, workspace, None, now)?;
                mail_refusals::forget(tx, workspace, &way)?;
                remember(tx, workspace, &way, &digest, now)
            })
            .await
    }

    async fn refused(&self, workspace: WorkspaceId, addressee: &Addressee, refusal: Refusal) -> Result<(), StoreError> {
        let (why, tries, who) = (refusal.error.as_str(), refusal.tries, who(addressee));
        tracing::warn!(workspace = workspace.0, who, why, tries, "an address was refused by the mail server");
        let way = addressee.way.clone();
        self.store.write(move |tx| mail_refusals::put(tx, workspace, &way, &refusal)).await
    }
}

/// For the log, which holds no address.
fn who(addressee: &Addressee) -> &str {
    match addressee.hears {
        Hears::Workspace => "an address of the workspace's list",
        Hears::Hubs(_) => &addressee.way,
    }
}
