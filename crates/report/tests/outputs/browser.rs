//! The page in a real browser, where there is one: at the width of a desktop and of a phone,
//! with and without its script.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::{html, made};

/// Browsers that print the document as they have understood it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

fn browser() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |in_| in_.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// Says of the page what only a browser knows, in attributes of its root.
const PROBE: &str = "<script>
addEventListener('load', () => {
  const root = document.documentElement;
  root.dataset.width = innerWidth;
  root.dataset.overflow = root.scrollWidth > innerWidth;
  const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
  root.dataset.twice = ids.filter((id, at) => ids.indexOf(id) !== at).join();
  const links = [...document.querySelectorAll('a[href^=\"#\"]')];
  root.dataset.dead = links.map((it) => it.hash.slice(1)).filter((id) => !document.getElementById(id)).join();
  root.dataset.buttons = document.querySelectorAll('button:not([hidden])').length;
});
</script>";

/// The start tag of the root, as the browser prints it.
fn root(browser: &Path, page: &Path, profile: &Path, width: u32) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={width},900"))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let from = dom
        .find("<html")
        .unwrap_or_else(|| panic!("no document: {dom}"));
    let to = from + dom[from..].find('>').unwrap();
    dom[from..to].to_owned()
}

#[test]
fn a_browser_shows_it_without_overflow_and_every_link_leads_somewhere() {
    let Some(browser) = browser() else {
        println!("skipped: none of {BROWSERS:?} is installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let all = super::markdown::all();
    let pages = [made::violated(), (all.clone(), made::verdict(&all))];
    for (plan, verdict) in pages {
        let page = html::page(&plan, &verdict);
        let page = page.replace("</head>", &format!("{PROBE}</head>"));
        let file = folder.path().join("report.html");
        fs::write(&file, page).unwrap();
        for width in [1280, 390] {
            let root = root(&browser, &file, &folder.path().join("profile"), width);
            for expected in ["overflow=\"false\"", "twice=\"\"", "dead=\"\""] {
                assert!(root.contains(expected), "{expected} at {width}: {root}");
            }
            assert!(!root.contains("buttons=\"0\""), "{root}");
        }
    }
}
