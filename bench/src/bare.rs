//! The ceiling of reads: a handler that only returns the same number of bytes, on the same HTTP library.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::process::{Child, Command};

use crate::server::listening_address;

pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    _process: Child,
}

impl Bare {
    /// Starts the handler in its own process, like the server that it is compared with.
    pub(crate) async fn start(bytes: usize) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["bare", &bytes.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the bench cannot start itself")?;
        Ok(Self { address: listening_address(&mut process).await?, _process: process })
    }
}

pub(crate) async fn serve(bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b'x'; bytes]);
    let answer = move || {
        let body = body.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/json; charset=utf-8")], body) }
    };
    let router = Router::new().route("/", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    let http = Arc::new(hyper::server::conn::http1::Builder::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (http, service) = (Arc::clone(&http), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move { http.serve_connection(TokioIo::new(stream), service).await });
    }
}
