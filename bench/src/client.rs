//! A connection that sends one request after the other.

use std::net::SocketAddr;

use anyhow::bail;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a request, reads the whole response and returns its length. A status other than success is an error.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Bytes,
    ) -> anyhow::Result<usize> {
        let mut incoming = self.answer(method, path, token, body).await?;
        let mut length = 0;
        // A long response is read without keeping it.
        while let Some(frame) = incoming.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }

    /// Sends a request like [`Client::send`], and returns the body.
    pub(crate) async fn fetch(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        Ok(self.answer(method, path, token, body).await?.collect().await?.to_bytes())
    }

    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Bytes,
    ) -> anyhow::Result<hyper::body::Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/x-ndjson");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status: StatusCode = response.status();
        if !status.is_success() {
            let text = response.into_body().collect().await?.to_bytes();
            bail!("{path}: {status} {}", String::from_utf8_lossy(&text));
        }
        Ok(response.into_body())
    }
}
