//! As much of HTTP/1.1 as a proxy or a webhook of the tests needs: requests with a Content-Length, kept connections.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A request as it came.
pub struct Asked {
    /// `GET`, `PATCH`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names as they came, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of the connection after an answer.
#[derive(PartialEq, Eq)]
pub enum Connection {
    /// The next request comes on it.
    Keep,
    /// It is closed.
    Close,
}

impl Asked {
    /// Reads one; none where the connection ends.
    ///
    /// # Errors
    /// The connection breaks, or what comes is no request.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Asked>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut asked = Asked { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() };
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            asked.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length = asked.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        asked.body = vec![0; length];
        stream.read_exact(&mut asked.body)?;
        Ok(Some(asked))
    }

    /// Whether it asks an API server for a watch.
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true")
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Writes a whole answer.
///
/// # Errors
/// The connection breaks.
pub fn answer(stream: &mut impl Write, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Answer\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend(body);
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Answers on a free port of the loopback until the process ends, a thread per connection, and gives the port.
///
/// `wrap` makes a stream of a connection (TLS, or the connection itself); `handle` answers one request.
pub fn serve<S: Read + Write>(
    wrap: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
    handle: impl Fn(Asked, &mut S) -> io::Result<Connection> + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let (wrap, handle) = (Arc::new(wrap), Arc::new(handle));
    thread::spawn(move || {
        for connection in listener.incoming().filter_map(Result::ok) {
            let (wrap, handle) = (wrap.clone(), handle.clone());
            thread::spawn(move || -> io::Result<()> {
                let mut stream = BufReader::new(wrap(connection)?);
                while let Some(asked) = Asked::read(&mut stream)? {
                    if handle(asked, stream.get_mut())? == Connection::Close {
                        break;
                    }
                }
                Ok(())
            });
        }
    });
    port
}
