//! The connection to an API server: kube's, but that a request with a body, and so every one that writes, leaves only while
//! the [`Gate`] is open at the moment at which its body is to be written.
//!
//! The gate is asked before a request is begun, too. Between that moment and the write the process may be stopped for
//! longer than its Lease lasts, and would then write what it meant to write while another one leads.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use tower_service::Service;

use super::client::Gate;

/// What goes wrong below kube's client.
type BoxError = Box<dyn Error + Send + Sync>;

/// Prepares a connection; nothing is sent yet.
///
/// # Errors
/// The certificates or credentials cannot be used.
pub fn prepare(config: kube::Config, gate: Gate) -> Result<kube::Client, kube::Error> {
    if config.proxy_url.is_some() {
        // kube says that this was built without.
        return kube::Client::try_from(config);
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(http)?;
    let inner = legacy::Client::builder(TokioExecutor::new()).build(https);
    let builder = ClientBuilder::new(Gated { inner, gate }, config.default_namespace.clone());
    let builder = builder.with_layer(&config.extra_headers_layer()?);
    let base = config.base_uri_layer();
    Ok(match config.auth_layer()? {
        Some(auth) => builder.with_layer(&auth).with_layer(&base).build(),
        None => builder.with_layer(&base).build(),
    })
}

#[derive(Clone)]
struct Gated<C> {
    inner: legacy::Client<C, GatedBody>,
    gate: Gate,
}

impl<C: Connect + Clone + Send + Sync + 'static> Service<Request<Body>> for Gated<C> {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let gate = self.gate.clone();
        let answer = self.inner.request(request.map(|body| GatedBody { body, gate }));
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

/// A body that breaks off, and with it the connection, once the gate is closed: the server then has no whole request.
struct GatedBody {
    body: Body,
    gate: Gate,
}

impl HttpBody for GatedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.gate.is_open() {
            return Poll::Ready(Some(Err("the gate is closed".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    /// The gate closes after the request was begun and before its body is written, as a process that is stopped has it.
    #[test]
    fn a_request_whose_gate_closes_meanwhile_never_arrives_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = |is_open: bool| {
            let server = std::thread::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                    let mut text = Vec::new();
                    let _ = stream.read_to_end(&mut text);
                    String::from_utf8_lossy(&text).into_owned()
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let gate = Gate::default();
                let config = kube::Config::new(format!("http://{address}").parse().unwrap());
                let client = prepare(config, gate.clone()).unwrap();
                let request = Request::patch("/x").body(Body::from(b"{\"a\":1}".to_vec())).unwrap();
                let sending = client.send(request);
                if !is_open {
                    gate.close();
                }
                let _ = tokio::time::timeout(Duration::from_secs(3), sending).await;
            });
            server.join().unwrap()
        };
        assert!(arrived(true).ends_with("{\"a\":1}"));
        assert!(!arrived(false).contains("{\"a\":1}"));
    }
}
