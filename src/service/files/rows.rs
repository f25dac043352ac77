//! The mappings of a file against those of a hub. A mapping's identity is (hub, subject, `where`);
//! everything else about it changes in place.

use super::diff::Ground;
use crate::base::ids::{MappingId, SourceId};
use crate::domain::app::App;
use crate::domain::hub::Hub;
use crate::domain::hub_file::{HubDecl, MappingDecl, subject_text};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::permissions::canonical;
use crate::service::ServiceError;
use crate::service::hub_changes;
use crate::service::mappings::{BindingView, binding_view, source_id};
use crate::service::whatif::steps::{Diff, Step, mapping_diff};
use crate::service::whatif::{BindingShown, Fate, Touched};
use crate::store::{DbConn, StoreError, mappings as rows};

/// The steps of one declared hub's mappings.
pub(super) fn steps(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    decl: &HubDecl,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    let workspace = ground.scribe.workspace;
    let app = rules::app(ground.catalog, &after.app).map_err(ServiceError::Invalid)?;
    let present = match before {
        Some(before) => rows::of_hub(conn, workspace, before.id)?,
        None => Vec::new(),
    };
    let mut left = present.clone();
    let mut then = Vec::new();
    let mut moves = before.is_none_or(|before| hub_changes::matters_to_people(before, after));
    for declared in &decl.mappings {
        fits(app, declared)?;
        let source = source_id(conn, workspace, declared.source.as_deref())
            .map_err(|error| ServiceError::Invalid(format!("{}: {error}", declared.place)))?;
        let key = rows::subject_key(&declared.subject, source);
        let same = |m: &Mapping| rows::subject_key(&m.subject, m.source) == key && m.scope == declared.scope;
        // Not by swapping: what is left keeps its order, and so does the plan.
        let found = left.iter().position(same).map(|at| left.remove(at));
        let mapping = match found {
            Some(found) => {
                let wanted = wanted(ground, app, declared, source, Some(&found), after, found.binding);
                if agrees(&found, &wanted) {
                    found
                } else {
                    ground.may_change(&declared.place, &subject_text(&found.subject), found.owner.as_deref())?;
                    if let Some(owner) = ground.wanted.owner.as_ref().filter(|_| found.owner.is_none()) {
                        diff.plan.notes.push(format!(
                            "{}: {} belonged to nobody and is taken over by '{owner}'",
                            after.slug,
                            subject_text(&found.subject)
                        ));
                    }
                    moves = true;
                    diff.plan.mappings.extend(mapping_diff(after, Some(&found), Some(&wanted)));
                    diff.steps.push(Step::ChangeMapping {
                        hub: after.clone(),
                        before: Box::new(found),
                        after: Box::new(wanted.clone()),
                    });
                    wanted
                }
            }
            None => {
                let binding = rows::find_subject(conn, workspace, &declared.subject, source)?;
                let wanted = wanted(ground, app, declared, source, None, after, binding);
                moves = true;
                diff.plan.mappings.extend(mapping_diff(after, None, Some(&wanted)));
                diff.steps.push(Step::AddMapping(after.clone(), wanted.clone()));
                wanted
            }
        };
        shown(conn, ground, diff, after, &mapping)?;
        then.push(mapping);
    }
    let (mine, others): (Vec<Mapping>, Vec<Mapping>) = left.into_iter().partition(|m| m.owner == ground.wanted.owner);
    then.extend(others);
    if ground.wanted.prune {
        moves |= !mine.is_empty();
        remove(diff, after, &mine);
    } else {
        note_left(diff, after, mine.len());
        then.extend(mine);
    }
    if moves {
        let (hub, was) = (after.clone(), before.cloned());
        diff.touched.push(Touched { hub, was, before: present, after: then, fate: Fate::Stays, only: None });
    }
    Ok(())
}

/// The owner's mappings in a hub that the files don't name and somebody else manages.
pub(super) fn leftovers(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    hub: &Hub,
) -> Result<(), ServiceError> {
    let present = rows::of_hub(conn, ground.scribe.workspace, hub.id)?;
    let (mine, others): (Vec<Mapping>, Vec<Mapping>) =
        present.iter().cloned().partition(|mapping| mapping.owner == ground.wanted.owner);
    if mine.is_empty() {
        return Ok(());
    }
    if !ground.wanted.prune {
        note_left(diff, hub, mine.len());
        return Ok(());
    }
    remove(diff, hub, &mine);
    let (hub, was) = (hub.clone(), Some(hub.clone()));
    diff.touched.push(Touched { hub, was, before: present, after: others, fate: Fate::Stays, only: None });
    Ok(())
}

fn note_left(diff: &mut Diff, hub: &Hub, count: usize) {
    if count > 0 {
        diff.plan
            .notes
            .push(format!("{}: {count} mapping(s) are there and not in the file; --prune removes them", hub.slug));
    }
}

fn remove(diff: &mut Diff, hub: &Hub, mine: &[Mapping]) {
    for mapping in mine {
        diff.plan.mappings.extend(mapping_diff(hub, Some(mapping), None));
        diff.steps.push(Step::RemoveMapping(hub.clone(), mapping.clone()));
    }
}

/// Hold a mapping against the app of its hub: a file that only names the hub could not.
fn fits(app: &App, declared: &MappingDecl) -> Result<(), ServiceError> {
    let mut wrong = Vec::new();
    if (declared.seat && !app.roles.is_empty()) || !declared.app_role.is_empty() {
        wrong.extend(rules::role(app, &declared.app_role).err());
    }
    wrong.extend(rules::assets(app, &declared.assets).into_iter().map(|(_, why)| why));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(ServiceError::Invalid(format!("{}: {}", declared.place, wrong.join("; "))))
}

fn wanted(
    ground: &Ground<'_>,
    app: &App,
    declared: &MappingDecl,
    source: Option<SourceId>,
    found: Option<&Mapping>,
    hub: &Hub,
    binding: Binding,
) -> Mapping {
    Mapping {
        id: found.map_or_else(|| MappingId::from_uuid(ground.scribe.id()), |found| found.id),
        hub: hub.id,
        subject: declared.subject.clone(),
        source,
        binding,
        scope: declared.scope.clone(),
        hub_role: declared.hub_role,
        app_role: canonical(app, &declared.app_role),
        seat: declared.seat,
        assets: declared.assets.clone(),
        owner: ground.owner(found.and_then(|found| found.owner.as_ref())),
        file_ref: ground.wanted.file_ref.clone(),
        confirmed_at: ground.scribe.now,
    }
}

/// Whether a mapping already is what a file says; the commit alone does not matter.
fn agrees(found: &Mapping, wanted: &Mapping) -> bool {
    found.hub_role == wanted.hub_role
        && found.app_role == wanted.app_role
        && found.seat == wanted.seat
        && found.assets == wanted.assets
        && found.owner == wanted.owner
}

fn shown(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    hub: &Hub,
    mapping: &Mapping,
) -> Result<(), StoreError> {
    let (state, to) = match binding_view(conn, ground.scribe.workspace, mapping.binding)? {
        BindingView::Waiting => ("waiting", None),
        BindingView::Gone => {
            // What ends it, where somebody meets it: the name alone never binds again.
            diff.plan.notes.push(format!(
                "{}: {} was deleted, and what it gave is held; a group that bears its name now is taken only on a \
                 person's word: POST /api/v1/hubs/{}/mappings/{}/bind",
                hub.slug,
                subject_text(&mapping.subject),
                hub.slug,
                mapping.id,
            ));
            ("gone", None)
        }
        BindingView::Bound { id, name } => {
            ("bound", Some(name.map_or_else(|| id.clone(), |name| format!("{name} ({id})"))))
        }
    };
    let subject = subject_text(&mapping.subject);
    diff.plan.bindings.push(BindingShown { hub: hub.slug.to_string(), subject, state: state.to_owned(), to });
    Ok(())
}
