//! A real Chromium, headless, driven through Debian's `chromedriver` over WebDriver (W3C). One
//! driver and one browser for each test, on a free port, ended when dropped.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::eventually;

/// How long a page may take to show what a test waits for.
pub const SOON: Duration = Duration::from_secs(30);
/// The name of an element in WebDriver's answers, fixed by its specification.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// As everybody has it.
    On,
    /// Switched off by the reader.
    Off,
}

/// How the browser is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Width and height of the page in CSS pixels.
    pub size: (u32, u32),
    /// Whether pages may run scripts.
    pub scripts: Scripts,
    /// Whether the reader prefers dark pages.
    pub dark: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { size: (1280, 900), scripts: Scripts::On, dark: false }
    }
}

/// A running browser with one window.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Child,
    _profile: tempfile::TempDir,
}

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

/// Start one; `None` where there is no Chromium (said loudly, or a panic with
/// `SCIMHUB_TEST_REQUIRE=1`).
pub async fn browser(setup: Setup) -> Option<Browser> {
    match start(setup).await {
        Ok(browser) => Some(browser),
        Err(why) => {
            assert!(std::env::var_os("SCIMHUB_TEST_REQUIRE").is_none_or(|v| v != "1"), "no browser: {why}");
            // Past the capture of the test harness: a skipped part must be seen.
            let _ = writeln!(std::io::stderr(), "SKIPPED: a test in a real browser: {why}");
            None
        }
    }
}

async fn start(setup: Setup) -> Result<Browser, String> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("chromedriver (Debian: chromium-driver) cannot be started: {error}"))?;
    let stdout = driver.stdout.take().expect("a pipe");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let port = loop {
        let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) else {
            let _ = driver.kill();
            let _ = driver.wait();
            return Err(String::from("chromedriver says no port"));
        };
        // "ChromeDriver was started successfully on port 40123."
        if let Some((_, rest)) = line.split_once("successfully on port ") {
            break rest.trim().trim_end_matches('.').to_owned();
        }
    };
    let profile = tempfile::tempdir().expect("a temporary folder");
    let mut browser = Browser {
        http: super::http::plain(),
        session: format!("http://127.0.0.1:{port}/session"),
        driver,
        _profile: profile,
    };
    let made = browser.call("POST", "", &json!({ "capabilities": { "alwaysMatch": browser.wanted(setup) } })).await?;
    let id = made["sessionId"].as_str().ok_or("no session")?;
    browser.session = format!("{}/{id}", browser.session);
    browser.set_size(setup.size).await;
    Ok(browser)
}

impl Browser {
    fn wanted(&self, setup: Setup) -> Value {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let mut arguments =
            vec!["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", &profile];
        // Chromium refuses its sandbox to root, as which CI containers run; the pages are ours.
        arguments.push("--no-sandbox");
        if setup.dark {
            arguments.push("--blink-settings=preferredColorScheme=0");
        }
        let scripts = match setup.scripts {
            Scripts::On => 1,
            Scripts::Off => 2,
        };
        json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": { "profile.managed_default_content_settings.javascript": scripts },
            },
        })
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.session));
        if method == reqwest::Method::POST {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let reply = request.send().await.map_err(|error| format!("chromedriver: {error}"))?;
        let text = reply.text().await.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("chromedriver: {error}: {text}"))?;
        match value["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["value"]["message"].as_str().unwrap_or_default())),
            None => Ok(value["value"].clone()),
        }
    }

    async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        match self.call(method, path, &body).await {
            Ok(value) => value,
            Err(why) => panic!("{method} {path}: {why}"),
        }
    }

    /// Go to an address, and wait until it is loaded.
    pub async fn go(&self, url: &str) {
        self.must("POST", "/url", json!({ "url": url })).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        self.must("GET", "/url", Value::Null).await.as_str().expect("a text").to_owned()
    }

    /// Make the page this large, as a phone of that size shows it.
    pub async fn set_size(&self, (width, height): (u32, u32)) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        let body = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
        self.must("POST", "/goog/cdp/execute", body).await;
    }

    /// The element that a CSS selector finds first, as soon as it is there.
    pub async fn find(&self, selector: &str) -> Element {
        let mut found = None;
        eventually(&format!("an element {selector}"), SOON, async || {
            found = self.all(selector).await.into_iter().next();
            found.is_some()
        })
        .await;
        found.expect("it is there")
    }

    /// All elements that a CSS selector finds now.
    pub async fn all(&self, selector: &str) -> Vec<Element> {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.must("POST", "/elements", body).await;
        let name = |one: &Value| one[ELEMENT].as_str().map(|id| Element(id.to_owned()));
        found.as_array().expect("a list").iter().filter_map(name).collect()
    }

    /// Click it.
    pub async fn click(&self, selector: &str) {
        let Element(id) = self.find(selector).await;
        self.must("POST", &format!("/element/{id}/click"), json!({})).await;
    }

    /// Type into it.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector).await;
        self.must("POST", &format!("/element/{id}/value"), json!({ "text": text })).await;
    }

    /// What a reader sees of it.
    pub async fn text(&self, selector: &str) -> String {
        let Element(id) = self.find(selector).await;
        self.must("GET", &format!("/element/{id}/text"), Value::Null).await.as_str().unwrap_or_default().to_owned()
    }

    /// Wait until the text of the page holds this.
    pub async fn until_shown(&self, text: &str) {
        eventually(&format!("'{text}' on the page"), SOON, async || {
            let body = json!({ "using": "css selector", "value": "body" });
            // Between two pages there is no body, or one that goes away.
            let Ok(found) = self.call("POST", "/element", &body).await else { return false };
            let path = format!("/element/{}/text", found[ELEMENT].as_str().unwrap_or_default());
            self.call("GET", &path, &Value::Null)
                .await
                .is_ok_and(|seen| seen.as_str().unwrap_or_default().contains(text))
        })
        .await;
    }

    /// Run a script in the page (the driver can, also where pages may not) and take what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.must("POST", "/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Everything the browser complained about since this was last called: script errors, refused
    /// styles and scripts, failed loads.
    pub async fn complaints(&self) -> Vec<String> {
        let lines = self.must("POST", "/se/log", json!({ "type": "browser" })).await;
        let text = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.as_array().expect("a list").iter().map(text).collect()
    }

    /// A cookie's own words, by name.
    pub async fn cookie(&self, name: &str) -> Option<Value> {
        let all = self.must("GET", "/cookie", Value::Null).await;
        all.as_array().expect("a list").iter().find(|cookie| cookie["name"] == name).cloned()
    }

    /// The whole page as a picture, whatever its height.
    pub async fn picture(&self, file: &Path) {
        let size =
            self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let body = json!({ "cmd": "Page.captureScreenshot", "params": params });
        let taken = self.must("POST", "/goog/cdp/execute", body).await;
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().expect("data")).expect("base64");
        std::fs::write(file, bytes).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the driver in good order ends its browser too; a runtime cannot be waited for here.
        if let Some(base) = self.session.strip_prefix("http://") {
            let (address, path) = base.split_once('/').unwrap_or((base, ""));
            if let Ok(mut stream) = std::net::TcpStream::connect(address) {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                let _ = write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
                let _ = std::io::Read::read(&mut stream, &mut [0u8; 1]);
            }
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
