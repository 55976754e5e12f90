//! The connection to an API server: kube's, but that it asks the [`Gate`] before every write to the socket, below TLS. Once
//! the deadline is past nothing leaves on it any more, neither the rest of a request nor a new connection's greeting: it breaks.
//!
//! The gate is asked before a request is begun, too. Between that moment and the write the process may be stopped for
//! longer than its Lease lasts, and would then write what it meant to write while another one leads. What is left is the
//! time from that question to the system call right after it: see ARCHITECTURE.md.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use super::client::{Gate, SENDING_TIMEOUT};

/// Connections with the same credentials.
pub struct Connections {
    /// Breaks at the gate's deadline.
    pub gated: kube::Client,
    /// Goes on, for what only reads.
    pub open: kube::Client,
}

/// Prepares connections; nothing is sent yet.
///
/// # Errors
/// The certificates or credentials cannot be used.
pub fn prepare(config: kube::Config, gate: &Gate) -> Result<Connections, kube::Error> {
    if config.proxy_url.is_some() {
        // kube says that this was built without.
        let client = kube::Client::try_from(config)?;
        return Ok(Connections { gated: client.clone(), open: client });
    }
    // A program may be run for them, and once will do.
    let (auth, headers, base) = (config.auth_layer()?, config.extra_headers_layer()?, config.base_uri_layer());
    let through = |gate| -> Result<kube::Client, kube::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(config.connect_timeout);
        http.set_tcp_user_timeout(Some(SENDING_TIMEOUT));
        let https = config.rustls_https_connector_with_connector(GatedConnector { http, gate })?;
        let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new()).build(https);
        let client = client.map_err(Box::<dyn Error + Send + Sync>::from);
        let builder = ClientBuilder::new(client, config.default_namespace.clone()).with_layer(&headers);
        Ok(match &auth {
            Some(auth) => builder.with_layer(auth).with_layer(&base).build(),
            None => builder.with_layer(&base).build(),
        })
    };
    Ok(Connections { gated: through(gate.clone())?, open: through(Gate::default())? })
}

#[derive(Clone)]
struct GatedConnector {
    http: HttpConnector,
    gate: Gate,
}

impl Service<Uri> for GatedConnector {
    type Response = GatedStream;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<GatedStream, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, gate) = (self.http.call(uri), self.gate.clone());
        Box::pin(async move { Ok(GatedStream { stream: connecting.await?, gate }) })
    }
}

/// A stream that nothing is written to once the gate's deadline is past. It makes the system call itself: what tokio does
/// around it would lie between question and call.
struct GatedStream {
    stream: TokioIo<TcpStream>,
    gate: Gate,
}

impl Read for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for GatedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.stream.inner();
        let send = || {
            if self.gate.is_overdue() {
                return Err(io::Error::other("the Lease ran out"));
            }
            Ok(send(stream, bytes, SendFlags::NOSIGNAL)?)
        };
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connection for GatedStream {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use http::Request;

    use super::super::moment::Moment;
    use super::*;

    /// The deadline passes after the request was begun and before it is written, as a process that is stopped has it. On a
    /// new connection nothing arrives then, and on one that is there no further request.
    #[test]
    fn nothing_leaves_once_the_deadline_is_past() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = |requests: usize, late: bool| {
            let server = std::thread::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
                    while let Ok(read @ 1..) = stream.read(&mut piece) {
                        text.extend_from_slice(&piece[..read]);
                        if text.ends_with(b"{}") {
                            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                        }
                    }
                    String::from_utf8_lossy(&text).into_owned()
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let gate = Gate::default();
                let config = kube::Config::new(format!("http://{address}").parse().unwrap());
                let client = prepare(config, &gate).unwrap().gated;
                for number in 1..=requests {
                    let request = Request::delete(format!("/{number}")).body(Body::from(b"{}".to_vec())).unwrap();
                    let sending = client.send(request);
                    if late && number == requests {
                        gate.set_deadline(Some(Moment::now()));
                    }
                    let answer = sending.await;
                    assert_eq!(answer.is_err(), late && number == requests);
                    if let Ok(answer) = answer {
                        answer.into_body().collect_bytes().await.unwrap();
                    }
                }
            });
            drop(runtime);
            server.join().unwrap()
        };
        let both = arrived(2, false);
        assert!(both.contains("DELETE /1 ") && both.contains("DELETE /2 "), "{both}");
        assert_eq!(arrived(1, true), "");
        assert_eq!(arrived(2, true), arrived(1, false));
    }
}
