//! The key file and sealed secrets, on real databases.

use std::fs;

use diesel::prelude::*;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, WorkspaceId};
use scimhub::base::secret::SecretString;
use scimhub::store::schema::hub_secrets;
use scimhub::store::{Store, StoreError, secrets};

use crate::support::databases;

const WORKSPACE: WorkspaceId = WorkspaceId(1);

fn hub(number: u128) -> HubId {
    HubId::from_uuid(uuid::Uuid::from_u128(number))
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_refused_by_the_name_of_its_file() {
    for database in databases() {
        drop(database.open());
        let other = database.folder().join("other.key");
        let mut config = database.config();
        config.key_file = Some(other.clone());
        let error = Store::open_with(config.clone()).err().unwrap().to_string();
        assert!(error.contains("other.key") && error.contains("does not exist"), "{error}");
        assert!(!other.exists(), "no key is made for a database that has one");

        let stranger = crate::support::Database::sqlite();
        drop(stranger.open());
        fs::copy(stranger.key_file(), &other).unwrap();
        let error = Store::open_with(config).err().unwrap().to_string();
        assert!(error.contains("other.key") && error.contains("not the one"), "{error}");
        drop(database.open());
    }
}

#[tokio::test]
async fn t_28_a_secret_copied_to_another_hub_does_not_open() {
    for database in databases() {
        let store = database.open();
        let keyring = store.keyring().clone();
        store
            .write(move |tx| {
                for value in ["first", "canary-6f1d"] {
                    let secret = SecretString::new(value.to_owned());
                    secrets::put(tx, &keyring, WORKSPACE, hub(1), "TOKEN", &secret, Micros(5))?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let keyring = store.keyring().clone();
        let (names, opened) = store
            .read(move |conn| {
                let names = secrets::names(conn, WORKSPACE, hub(1))?;
                Ok::<_, StoreError>((names, secrets::open_all(conn, &keyring, WORKSPACE, hub(1))?))
            })
            .await
            .unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [(String::from("TOKEN"), Micros(5))]);
        assert_eq!(opened["TOKEN"].expose(), "canary-6f1d");

        let keyring = store.keyring().clone();
        let error = store
            .write(move |tx| {
                type Row = (String, String, Vec<u8>);
                let columns = (hub_secrets::name, hub_secrets::key_id, hub_secrets::sealed);
                let (name, key_id, sealed): Row = hub_secrets::table.select(columns).first(&mut **tx)?;
                diesel::insert_into(hub_secrets::table)
                    .values((
                        hub_secrets::workspace.eq(WORKSPACE.0),
                        hub_secrets::hub_id.eq(hub(2).bytes()),
                        hub_secrets::name.eq(name),
                        hub_secrets::key_id.eq(key_id),
                        hub_secrets::sealed.eq(sealed),
                        hub_secrets::modified_at.eq(0),
                    ))
                    .execute(&mut **tx)?;
                secrets::open_all(tx, &keyring, WORKSPACE, hub(2)).map(|_| ())
            })
            .await
            .unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt(text) if text.contains("TOKEN")), "{error:?}");
        for entry in fs::read_dir(database.folder()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(11).any(|w| w == b"canary-6f1d"), "{}", database.name);
        }
    }
}

#[tokio::test]
async fn two_that_start_at_once_agree_on_one_key() {
    for database in databases() {
        let opened = std::thread::scope(|scope| {
            let running: Vec<_> = (0..4).map(|_| scope.spawn(|| database.open())).collect();
            running.into_iter().map(|one| one.join().unwrap().keyring().id().to_owned()).collect::<Vec<_>>()
        });
        assert!(opened.iter().all(|id| *id == opened[0]), "{opened:?}");
    }
}
