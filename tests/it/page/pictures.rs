//! The pictures in `docs/pictures`, made from the running demo: not a test, a tool.
//! `SCIMHUB_PICTURES_OF=http://… SCIMHUB_PICTURES_TOKEN=… cargo test --test it -- --ignored pictures`

use std::path::Path;

use crate::support::browser::{Browser, Setup, browser};

async fn sign_in(browser: &Browser, base: &str, token: &str) {
    browser.go(&format!("{base}/sign-in")).await;
    browser.type_into("#token", token).await;
    browser.click("main button[type=submit]").await;
    browser.find("#tiles").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes docs/pictures from a running demo"]
async fn pictures_of_the_running_demo() {
    let base = std::env::var("SCIMHUB_PICTURES_OF").expect("SCIMHUB_PICTURES_OF");
    let token = std::env::var("SCIMHUB_PICTURES_TOKEN").expect("SCIMHUB_PICTURES_TOKEN");
    let folder = std::env::var("SCIMHUB_PICTURES_TO").unwrap_or_else(|_| String::from("docs/pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, size, dark) in
        [("desktop", (1180, 800), false), ("phone", (390, 844), false), ("dark", (1180, 800), true)]
    {
        let Some(browser) = browser(Setup { size, dark, ..Setup::default() }).await else { return };
        sign_in(&browser, &base, &token).await;
        let views = [
            ("overview", "/"),
            ("tasks", "/tasks"),
            ("held", "/held"),
            ("history", "/history?reach=hour"),
            ("people", "/people?q=a"),
            ("members", "/hubs/marketing-ads"),
            ("manual", "/manual"),
        ];
        for (view, path) in views {
            browser.go(&format!("{base}{path}")).await;
            browser.picture(&Path::new(&folder).join(format!("{view}-{name}.png"))).await;
        }
        if let Some(_batch) = browser.all("main a[href$='/release']").await.first() {
            browser.go(&format!("{base}/held")).await;
        }
        browser.go(&format!("{base}/tasks?hub=marketing-ads")).await;
        browser.click("#tasks td.lead a").await;
        browser.find("#picture").await;
        browser.picture(&Path::new(&folder).join(format!("explain-{name}.png"))).await;
    }
}
