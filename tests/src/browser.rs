//! A real browser, driven over the WebDriver protocol: a document each way, no more is needed.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot look has failed, and a JSON document answers every index"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How a browser's window is.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// A browser's window; it closes with this.
#[derive(Debug)]
pub struct Browser {
    _driver: Child,
    port: u16,
    session: String,
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).collect::<Vec<_>>();
    names.iter().find_map(|name| places.iter().map(|place| place.join(name)).find(|file| file.is_file()))
}

/// The port a driver listens on; nothing if it ended before.
async fn port_of(driver: &mut Child) -> Option<u16> {
    let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = said.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Some(port.trim_end_matches('.').parse().unwrap());
        }
    }
    None
}

impl Browser {
    /// Opens a window, if this machine has a browser.
    pub async fn open(window: Window) -> Option<Self> {
        let browser = found(&["chromium", "chromium-browser", "google-chrome"])?;
        let driver = found(&["chromedriver"])?;
        // It takes one port at two addresses, and ends where another process has it at one of them.
        let mut started = None;
        for _ in 0..10 {
            let mut driver = Command::new(&driver)
                .arg("--port=0")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            started = port_of(&mut driver).await.map(|port| (driver, port));
            if started.is_some() {
                break;
            }
        }
        let (driver, port) = started.unwrap();
        let size = format!("--window-size={},{}", window.width, window.height);
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &size];
        let wanted = json!({
            "browserName": "chrome",
            // The hub's authority is its own: this browser has not been told to trust it.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "binary": browser, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut opened = Self { _driver: driver, port, session: String::new() };
        let session =
            opened.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        session["sessionId"].as_str().unwrap().clone_into(&mut opened.session);
        // A browser makes no window as narrow as a phone: a page is laid out as in one all the same.
        let (width, height) = (window.width, window.height);
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let exactly = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        opened.ask("POST", "/goog/cdp/execute", &exactly).await;
        Some(opened)
    }

    async fn call(&self, method: &str, path: &str, body: &Json) -> Json {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        // The driver keeps its connections open: an answer is as long as it says.
        let mut stream = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).await.unwrap() > 2 {
            if let Some(bytes) = line.to_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut document = vec![0; length];
        stream.read_exact(&mut document).await.unwrap();
        let mut answer: Json = serde_json::from_slice(&document).unwrap();
        assert!(answer["value"]["error"].is_null(), "{method} {path} {body}: {answer:#}");
        answer["value"].take()
    }

    async fn ask(&self, method: &str, path: &str, body: &Json) -> Json {
        self.call(method, &format!("/session/{}{path}", self.session), body).await
    }

    /// Opens an address.
    pub async fn go(&self, address: &str) {
        self.ask("POST", "/url", &json!({ "url": address })).await;
    }

    /// What a script's function body returns.
    pub async fn script(&self, body: &str) -> Json {
        self.ask("POST", "/execute/sync", &json!({ "script": body, "args": [] })).await
    }

    async fn element(&self, selector: &str) -> String {
        let found =
            self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Json::as_str);
        id.unwrap().to_owned()
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Presses what is there.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.ask("POST", &format!("/element/{element}/click"), &json!({})).await;
    }

    /// Where the window is.
    pub async fn address(&self) -> String {
        self.ask("GET", "/url", &Json::Null).await.as_str().unwrap().to_owned()
    }

    /// Waits until a script's condition holds.
    pub async fn until(&self, condition: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.script(&format!("return !!({condition})")).await != true {
            let page = self.script("return document.body.innerText").await;
            assert!(Instant::now() < deadline, "{condition}: {page}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a picture of the whole page for people to look at, if `LIENTHONG_PICTURES` names a folder for that.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("LIENTHONG_PICTURES") else { return };
        let whole = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } });
        let taken = self.ask("POST", "/goog/cdp/execute", &whole).await;
        let picture = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), picture).unwrap();
    }

    /// What the browser complained of: refused scripts and styles among it.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" })).await;
        let lines = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Closes the window.
    pub async fn close(self) {
        self.ask("DELETE", "", &Json::Null).await;
    }
}
