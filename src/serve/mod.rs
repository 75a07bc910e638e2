//! A web index of all runs, for the people of this machine. It reads, and never writes.
//!
//! A run's folder holds hostile text, and a browser that shows it also visits hostile pages. So
//! every answer forbids scripts and sniffing, a request has to name a loopback host (a foreign
//! name that resolves to this machine is refused), and no path leads out of a run's folder.

mod answer;
mod files;
mod host;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::report::{self, index};
use crate::store::{self, RunFolder};
use answer::Answer;

type Results = Arc<PathBuf>;

/// Answers requests on `listener` about the runs below `results`, until it is dropped.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, results: PathBuf) -> io::Result<()> {
    let policy = host::Policy::of(listener.local_addr()?.ip());
    let router = Router::new()
        .route("/", get(runs))
        .route("/runs/{id}/report.html", get(report_of))
        .route("/runs/{id}/files/", get(list_files))
        .route("/runs/{id}/files/{*path}", get(file))
        .fallback(|| async { Answer::NotFound("There is no such page.".into()) })
        .layer(from_fn_with_state(policy, host::check))
        .layer(map_response(answer::harden))
        .with_state(Arc::new(results));
    axum::serve(listener, router).await
}

/// The fields of the form as they come; a field that nobody knows is ignored.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Wanted {
    verdict: String,
    database: String,
    workload: String,
    nemesis: String,
    text: String,
}

async fn runs(
    State(results): State<Results>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer {
    let Ok(Query(wanted)) = wanted else {
        return Answer::Bad("The filter cannot be read.".into());
    };
    let Wanted { verdict, database, workload, nemesis, text } = wanted;
    let filter = index::Filter { verdict, database, workload, nemesis, text };
    blocking(move || Answer::page(index::runs(&store::list(&results), &filter))).await
}

async fn report_of(State(results): State<Results>, Path(id): Path<String>) -> Answer {
    blocking(move || match folder(&results, &id) {
        Err(answer) => answer,
        Ok(folder) => match files::read(folder.path(), "report.html") {
            Ok(bytes) => Answer::Report(bytes),
            Err(files::Refusal::Missing) => match report::render(&folder) {
                Ok(page) => Answer::Report(page.into_bytes()),
                Err(error) => Answer::Broken(error.to_string()),
            },
            Err(refusal) => refusal.into(),
        },
    })
    .await
}

async fn list_files(State(results): State<Results>, Path(id): Path<String>) -> Answer {
    blocking(move || match folder(&results, &id) {
        Err(answer) => answer,
        Ok(folder) => Answer::page(index::files(&folder.id(), &files::list(folder.path()))),
    })
    .await
}

async fn file(State(results): State<Results>, Path((id, path)): Path<(String, String)>) -> Answer {
    let read = move || {
        let folder = folder(&results, &id)?;
        Ok(Answer::File(files::read(folder.path(), &path)?))
    };
    blocking(move || read().unwrap_or_else(|answer: Answer| answer)).await
}

/// The run of that name.
fn folder(results: &std::path::Path, id: &str) -> Result<RunFolder, Answer> {
    let path = files::inside(results, id)?;
    RunFolder::open(&path).map_err(|_| Answer::NotFound("There is no such run.".into()))
}

async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Answer::Broken(error.to_string()),
    }
}
