//! A hub on this machine that can be told to misbehave. It speaks HTTP by hand, because no server library would lie
//! about lengths or break off in the middle of an answer.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;
use sha1::Digest as _;
use url::Url;

/// How one request for a file is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// As it should be.
    None,
    /// The line breaks after so many bytes of the body.
    Cut(u64),
    /// So many bytes of the body come, and then nothing, until the other side goes.
    Stall(u64),
    /// No length is announced, and the line breaks after so many bytes: it looks like the end.
    CutWithoutLength(u64),
    /// No length is announced; all bytes come.
    NoLength,
    /// A length is announced and sent that is so many bytes too small.
    TooShort(u64),
    /// So many zeros follow, and are announced.
    TooLong(u64),
    /// So many zeros follow, and no length is announced.
    TooLongWithoutLength(u64),
    /// Another status, perhaps with `Retry-After`.
    Status(u16, Option<&'static str>),
    /// The whole file, whatever range was asked for; the line breaks after so many bytes.
    IgnoreRange(u64),
    /// The file changes: another entity tag and other bytes from now on for this request.
    OtherContent,
    /// The tag is the same and the bytes are not.
    WrongBytes,
    /// A range that begins so many bytes after the one that was asked for.
    OtherRange(u64),
    /// Not HTTP at all.
    Garbage,
}

/// A request for a file, and what was sent for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) path: String,
    /// First byte that was asked for.
    pub(crate) start: u64,
    /// Bytes of the body that were sent.
    pub(crate) sent: u64,
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    troubles: VecDeque<Trouble>,
    troubles_of: BTreeMap<String, VecDeque<Trouble>>,
    listing_troubles: VecDeque<Trouble>,
    served: Vec<Served>,
    listings: usize,
    extra_entries: Vec<serde_json::Value>,
    commit: String,
    page: usize,
}

/// A running hub with one model, `org/model`.
pub(crate) struct Hub {
    pub(crate) url: Url,
    state: Arc<Mutex<State>>,
}

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const MODEL: &str = "org/model@0123456789abcdef0123456789abcdef01234567";

/// Files of more than so many bytes are large ones, with a SHA-256.
const LARGE: usize = 1000;

impl Hub {
    pub(crate) fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let files = files.iter().map(|(path, content)| ((*path).to_owned(), content.clone())).collect();
        let state = Arc::new(Mutex::new(State { files, commit: COMMIT.to_owned(), page: 1000, ..State::default() }));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || answer(stream, &state));
            }
        });
        Self { url, state }
    }

    /// The next requests for files are answered so, one after the other; those after them as they should be.
    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state.lock().unwrap().troubles = troubles.into_iter().collect();
    }

    /// The same for one file.
    pub(crate) fn trouble_with(&self, path: &str, troubles: impl IntoIterator<Item = Trouble>) {
        self.state.lock().unwrap().troubles_of.insert(path.to_owned(), troubles.into_iter().collect());
    }

    /// The same for listings.
    pub(crate) fn listing_trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state.lock().unwrap().listing_troubles = troubles.into_iter().collect();
    }

    /// Another entry in the listing.
    pub(crate) fn list(&self, path: &str, size: u64, oid: &str) {
        let entry = json!({"type": "file", "path": path, "size": size, "oid": oid});
        self.state.lock().unwrap().extra_entries.push(entry);
    }

    pub(crate) fn list_in_pages_of(&self, entries: usize) {
        self.state.lock().unwrap().page = entries;
    }

    pub(crate) fn set_commit(&self, commit: &str) {
        commit.clone_into(&mut self.state.lock().unwrap().commit);
    }

    pub(crate) fn put(&self, path: &str, content: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.to_owned(), content);
    }

    /// Requests for files so far.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.state.lock().unwrap().served.clone()
    }

    /// Bytes of files that were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.served().iter().map(|served| served.sent).sum()
    }

    /// Requests for listings so far.
    pub(crate) fn listings(&self) -> usize {
        self.state.lock().unwrap().listings
    }
}

struct Request {
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let target = first.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { path: path.to_owned(), query: query.to_owned(), headers })
}

fn answer(stream: TcpStream, state: &Mutex<State>) {
    let Some(request) = read_request(&stream) else { return };
    if request.path.starts_with("/api/") {
        return send(stream, &listing(&request, &mut state.lock().unwrap()), false);
    }
    let (answer, stalls) = file(&request, &mut state.lock().unwrap());
    send(stream, &answer, stalls);
}

/// Sends and closes the line in the way that lets everything sent arrive.
fn send(mut stream: TcpStream, answer: &[u8], stalls: bool) {
    if stream.write_all(answer).is_ok() && (stalls || stream.shutdown(Shutdown::Write).is_ok()) {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
}

fn head(status: u16, headers: &[(&str, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    (head + "\r\n").into_bytes()
}

fn listing(request: &Request, state: &mut State) -> Vec<u8> {
    state.listings += 1;
    let ok = |body: String, more: &[(&str, String)]| {
        let length = [("Content-Length", body.len().to_string())];
        let mut answer = head(200, &[&length[..], more].concat());
        answer.extend(body.into_bytes());
        answer
    };
    match state.listing_troubles.pop_front().unwrap_or(Trouble::None) {
        Trouble::Status(status, retry_after) => return refused(status, retry_after),
        Trouble::Garbage => return b"hello\r\n\r\n".to_vec(),
        Trouble::Cut(_) => return head(200, &[("Content-Length", String::from("10"))]),
        Trouble::WrongBytes => return ok(String::from("{\"sha\": 1}"), &[]),
        _ => {}
    }
    if request.path.contains("/revision/") {
        return ok(json!({"sha": state.commit}).to_string(), &[]);
    }
    let entry = |(path, content): (&String, &Vec<u8>)| {
        let mut entry = json!({"type": "file", "path": path, "size": content.len(), "oid": git_hash(content)});
        if content.len() > LARGE {
            entry["lfs"] = json!({"oid": sha256(content), "size": content.len(), "pointerSize": 1});
        }
        entry
    };
    let mut entries = vec![json!({"type": "directory", "path": "onnx", "oid": "x"})];
    entries.extend(state.files.iter().map(entry));
    entries.extend(state.extra_entries.clone());
    let start: usize =
        request.query.split('&').find_map(|part| part.strip_prefix("cursor=")?.parse().ok()).unwrap_or(0);
    let end = entries.len().min(start + state.page);
    let link = (end < entries.len())
        .then(|| ("Link", format!("<{}?recursive=true&cursor={end}>; rel=\"next\"", request.path)));
    ok(json!(entries[start..end]).to_string(), link.as_slice())
}

fn refused(status: u16, retry_after: Option<&str>) -> Vec<u8> {
    let mut headers = vec![("Content-Length", String::from("0"))];
    headers.extend(retry_after.map(|value| ("Retry-After", value.to_owned())));
    head(status, &headers)
}

/// A file by its path on a hub or in a folder of a web server.
fn find<'a>(path: &str, state: &'a State) -> Option<(&'a String, &'a Vec<u8>)> {
    let name = path.split_once(&format!("/resolve/{}/", state.commit)).map_or(path, |(_, name)| name);
    state.files.get_key_value(name.trim_start_matches("/folder/").trim_start_matches('/'))
}

/// The answer, and whether the line stays open after it.
fn file(request: &Request, state: &mut State) -> (Vec<u8>, bool) {
    let Some((name, content)) = find(&request.path, state) else { return (refused(404, None), false) };
    let (name, mut content) = (name.clone(), content.clone());
    let of_file = state.troubles_of.get_mut(&name).and_then(VecDeque::pop_front);
    let trouble = of_file.or_else(|| state.troubles.pop_front()).unwrap_or(Trouble::None);
    let mut etag = format!("\"{}\"", sha256(&content));
    if trouble == Trouble::OtherContent || trouble == Trouble::WrongBytes {
        for byte in &mut content {
            *byte ^= 1;
        }
        if trouble == Trouble::OtherContent {
            etag = String::from("\"other\"");
        }
    }
    let asked =
        request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let unchanged = request.headers.get("if-range").is_none_or(|tag| *tag == etag);
    let ranged = unchanged && !matches!(trouble, Trouble::IgnoreRange(_));
    let start: u64 = asked.filter(|_| ranged).unwrap_or(0);
    let (answer, sent) = body(&trouble, &content, asked.filter(|_| ranged), &etag);
    let authorization = request.headers.get("authorization").cloned();
    state.served.push(Served { path: name, start, sent, authorization });
    (answer, matches!(trouble, Trouble::Stall(_)))
}

fn body(trouble: &Trouble, content: &[u8], range: Option<u64>, etag: &str) -> (Vec<u8>, u64) {
    let total = content.len() as u64;
    let shift = if let Trouble::OtherRange(shift) = trouble { *shift } else { 0 };
    let start = (range.unwrap_or(0) + shift).min(total);
    let mut body = content[usize::try_from(start).unwrap()..].to_vec();
    let mut length = Some(body.len() as u64);
    let cut = |bytes: u64, body: &mut Vec<u8>| body.truncate(usize::try_from(bytes).unwrap());
    match trouble {
        Trouble::Status(status, retry_after) => return (refused(*status, *retry_after), 0),
        Trouble::Garbage => return (b"hello\r\n\r\n".to_vec(), 0),
        Trouble::Cut(bytes) | Trouble::Stall(bytes) | Trouble::IgnoreRange(bytes) => cut(*bytes, &mut body),
        Trouble::CutWithoutLength(bytes) => (length, ()) = (None, cut(*bytes, &mut body)),
        Trouble::NoLength => length = None,
        Trouble::TooShort(bytes) => {
            let fewer = (body.len() as u64).saturating_sub(*bytes);
            cut(fewer, &mut body);
            length = Some(fewer);
        }
        Trouble::TooLong(bytes) | Trouble::TooLongWithoutLength(bytes) => {
            body.extend(vec![0; usize::try_from(*bytes).unwrap()]);
            length = matches!(trouble, Trouble::TooLong(_)).then_some(body.len() as u64);
        }
        _ => {}
    }
    let mut headers = vec![("ETag", etag.to_owned())];
    headers.extend(length.map(|length| ("Content-Length", length.to_string())));
    if range.is_some() {
        headers.push(("Content-Range", format!("bytes {start}-{}/{total}", total.max(start + 1) - 1)));
    }
    let mut answer = head(if range.is_some() { 206 } else { 200 }, &headers);
    let sent = body.len() as u64;
    answer.extend(body);
    (answer, sent)
}

pub(crate) fn sha256(content: &[u8]) -> String {
    alloy::hex::encode(sha2::Sha256::digest(content))
}

pub(crate) fn git_hash(content: &[u8]) -> String {
    let mut hasher = sha1::Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    alloy::hex::encode(hasher.finalize())
}

/// Bytes without a pattern, the same every time.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
