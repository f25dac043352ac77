//! **H**: a constant body of one kilobyte on actix-web, behind the server's own credential check.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use scimhub::base::nudge::Nudge;
use scimhub::domain::catalog::Catalog;
use scimhub::http::{App, Exposure, entry};
use scimhub::service::Context;
use scimhub::store::{Store, StoreConfig};

use crate::options::Options;
use crate::process::{Process, run, scimhub};
use crate::support::Database;

const BODY: usize = 1_024;

/// Start the limit as a process of its own, on a database of its own.
pub struct Hello {
    pub process: Process,
    _database: Database,
}

impl Hello {
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let database = Database::sqlite();
        let create = ["token", "create", "--scope", "scim", "--name", "hello"];
        let token = run(&mut scimhub(&options.binary(), &database, &create))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hello").arg(&database.url).arg(database.key_file());
        Ok(Self { process: Process::start(&mut command, &token)?, _database: database })
    }
}

/// Be that process.
pub fn serve(database: &str, key_file: &Path) -> anyhow::Result<()> {
    let store = Store::open_with(StoreConfig { key_file: Some(key_file.to_owned()), ..StoreConfig::new(database) })?;
    let context = Context::new(store, Arc::new(Catalog::builtin()?), Nudge::default(), "http://127.0.0.1");
    let app = web::Data::new(App::new(context, Exposure::default()));
    let body = web::Bytes::from(vec![b'x'; BODY]);
    actix_web::rt::System::new().block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = HttpServer::new(move || {
            actix_web::App::new()
                .app_data(app.clone())
                .app_data(web::Data::new(body.clone()))
                .default_service(web::to(hello))
        })
        .listen(listener)?
        .run();
        println!("listening on http://{address}");
        Ok(server.await?)
    })
}

async fn hello(request: HttpRequest, body: web::Data<web::Bytes>) -> HttpResponse {
    match entry::caller(&request).await {
        Ok(_) => HttpResponse::Ok().content_type("application/scim+json").body(web::Bytes::clone(&body)),
        Err(_) => HttpResponse::Unauthorized().finish(),
    }
}
