//! The answer to an upgrade, from raw octets: a wrong answer is recorded before it is judged.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Most octets of a head.
const LARGEST_HEAD: usize = 64 << 10;
/// Most octets of a refusal's body.
const LARGEST_BODY: usize = 256 << 10;
/// Most headers of a head.
const MOST_HEADERS: usize = 128;

/// An answer's head, and what was read behind it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) rest: Vec<u8>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why there is no head.
#[derive(Debug)]
pub(super) enum NoHead {
    /// The connection ended in order before it was whole.
    Ended(String),
    /// The connection broke before it was whole.
    Broken(std::io::Error),
    /// It is no HTTP.
    NotHttp(String),
}

impl From<std::io::Error> for NoHead {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Reads a head; interim answers (1xx but 101) are passed over.
pub(super) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Head, NoHead> {
    let mut octets = Vec::new();
    loop {
        if let Some((length, status, headers)) = parse(&octets)? {
            octets.drain(..length);
            if !(100..200).contains(&status) || status == 101 {
                return Ok(Head { status, headers, rest: octets });
            }
            continue;
        }
        if octets.len() > LARGEST_HEAD {
            return Err(NoHead::NotHttp(format!("a head of more than {LARGEST_HEAD} octets")));
        }
        if stream.read_buf(&mut octets).await? == 0 {
            return Err(NoHead::Ended(match octets.len() {
                0 => "closed without an answer".into(),
                read => format!("closed after {read} octets of an answer's head"),
            }));
        }
    }
}

type Parsed = (usize, u16, Vec<(String, String)>);

fn parse(octets: &[u8]) -> Result<Option<Parsed>, NoHead> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(octets) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let headers = answer
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
                .collect();
            Ok(Some((length, answer.code.unwrap_or_default(), headers)))
        }
        Err(error) => Err(NoHead::NotHttp(error.to_string())),
    }
}

/// Reads the body that belongs to `head`, as far as it comes: by length, in chunks, or to the end.
/// Called under a deadline; what has come by then stays in `body`.
pub(super) async fn read_body(stream: &mut (impl AsyncRead + Unpin), head: &Head, body: &mut Vec<u8>) {
    let chunked =
        head.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    let length = head.header("content-length").and_then(|length| length.trim().parse::<usize>().ok());
    let mut octets = head.rest.clone();
    loop {
        let whole = if chunked {
            unchunk(&octets, body)
        } else {
            let wanted = length.unwrap_or(LARGEST_BODY).min(LARGEST_BODY);
            body.clear();
            body.extend_from_slice(&octets[..octets.len().min(wanted)]);
            octets.len() >= wanted
        };
        if whole || octets.len() > LARGEST_BODY || matches!(head.status, 204 | 304) {
            return;
        }
        match stream.read_buf(&mut octets).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Puts the chunks that are there into `body`; whether the last one was among them.
fn unchunk(mut octets: &[u8], body: &mut Vec<u8>) -> bool {
    body.clear();
    loop {
        match httparse::parse_chunk_size(octets) {
            Ok(httparse::Status::Complete((_, 0))) | Err(_) => return true,
            Ok(httparse::Status::Partial) => return false,
            Ok(httparse::Status::Complete((start, size))) => {
                let Some(end) = usize::try_from(size).ok().and_then(|size| start.checked_add(size)) else {
                    return true;
                };
                body.extend_from_slice(&octets[start..end.min(octets.len())]);
                match octets.get(end.saturating_add(2)..) {
                    Some(rest) => octets = rest,
                    None => return false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(octets: &[u8]) -> (u16, String) {
        let mut stream = octets;
        let head = read_head(&mut stream).await.unwrap();
        let mut body = Vec::new();
        read_body(&mut stream, &head, &mut body).await;
        (head.status, String::from_utf8(body).unwrap())
    }

    #[tokio::test]
    async fn bodies_are_read_by_length_in_chunks_and_to_the_end() {
        assert_eq!(read(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nabc").await, (401, "ab".into()));
        let chunked = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(read(chunked).await, (403, "abc".into()));
        assert_eq!(read(b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.0 400 No\r\n\r\nabc").await, (400, "abc".into()));
    }

    #[tokio::test]
    async fn what_is_no_head_is_told_apart() {
        assert!(matches!(read_head(&mut &b"SSH-2.0\r\n\r\n"[..]).await, Err(NoHead::NotHttp(_))));
        assert!(matches!(read_head(&mut &b""[..]).await, Err(NoHead::Ended(_))));
    }
}
