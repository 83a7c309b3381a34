//! The page in a real browser, where there is one: light and dark, at the width of a desktop
//! and of a phone, with everything that is folded open. Accessibility is judged by axe-core,
//! where npm can fetch it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::{html, made};

/// Browsers that print the document as they have understood it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |in_| in_.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// The source of axe-core, of the version in `tests/browser`, by npm.
fn axe() -> Option<String> {
    let npm = program(&["npm"])?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let source = folder.join("node_modules/axe-core/axe.min.js");
    fs::create_dir_all(&folder).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let mut is_new = !source.exists();
    for name in ["package.json", "package-lock.json"] {
        let wanted = fs::read(ours.join(name)).unwrap();
        is_new |= fs::read(folder.join(name)).ok() != Some(wanted.clone());
        fs::write(folder.join(name), wanted).unwrap();
    }
    if is_new {
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let status = Command::new(npm)
            .args(arguments)
            .current_dir(&folder)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            // Another test must not take what is half there for whole.
            let _ = fs::remove_file(folder.join("package-lock.json"));
            return None;
        }
    }
    fs::read_to_string(source).ok()
}

/// Says of the page what only a browser knows, in attributes of its root.
const PROBE: &str = r#"<script>
addEventListener('load', async () => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  for (const folded of all('details')) folded.open = true;
  root.dataset.width = innerWidth;
  root.dataset.dark = matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.overflow = root.scrollWidth > innerWidth;
  const ids = all('[id]').map((it) => it.id);
  root.dataset.twice = ids.filter((id, at) => ids.indexOf(id) !== at).join();
  root.dataset.dead = all('a[href^="\\#"]').map((it) => it.hash.slice(1))
    .filter((id) => !document.getElementById(id)).join();
  root.dataset.addresses = all('a:not([href^="\\#"])')
    .filter((it) => it.protocol !== 'https:').map((it) => it.href).join();
  root.dataset.buttons = all('button:not([hidden])').length;
  // A chart: axes with marks, units, and every line in the legend with its name.
  const charts = all('figure.timeline').filter((it) => all('path.line', it).length);
  root.dataset.charts = charts.length;
  root.dataset.bare = charts.filter((it) => {
    const units = all('text.unit', it).every((unit) => unit.textContent.trim());
    const lines = all('path.line', it).length;
    const named = all('.legend li', it).filter((li) => li.querySelector('.key') && li.textContent.trim());
    return !(units && all('text.unit', it).length >= 2 && all('path.axis', it).length >= 1
      && all('.ticks text', it).length >= 4 && lines === named.length);
  }).map((it) => it.closest('section').id).join();
  root.dataset.outside = all('figure svg[role=img] text').filter((text) => {
    const box = text.getBBox(), view = text.ownerSVGElement.viewBox.baseVal;
    return box.x < -1 || box.x + box.width > view.width + 1 || box.y + box.height > view.height + 4;
  }).map((text) => text.textContent).join();
  if (window.axe) {
    const found = await axe.run(document, { resultTypes: ['violations'] });
    const serious = found.violations.filter((it) => ['serious', 'critical'].includes(it.impact));
    root.dataset.axe = serious.map((it) => it.id + ': '
      + it.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')).join('; ');
  }
  parent.postMessage({ ...root.dataset }, '*');
});
</script>"#;

/// A frame as wide as a screen: the window of a browser cannot be as narrow as a phone. It
/// says of itself what the page says in it.
fn frame(width: u32) -> String {
    format!(
        "<!DOCTYPE html><html><meta charset=utf-8><meta name=color-scheme content='light dark'>
<script>addEventListener('message', (it) => {{
  Object.assign(document.documentElement.dataset, it.data, {{ done: true }});
}});</script>
<iframe src=report.html width={width} height=900 style='border: 0'></iframe></html>"
    )
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
struct View {
    width: u32,
    dark: bool,
}

/// The start tag of the root, as the browser prints it.
fn root(browser: &Path, folder: &Path, view: View) -> String {
    let frame_file = folder.join("frame.html");
    fs::write(&frame_file, frame(view.width)).unwrap();
    // Blink counts dark before light.
    let scheme = u8::from(!view.dark);
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg("--virtual-time-budget=60000")
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg("--window-size=1400,1000")
        .arg(format!("file://{}", frame_file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let from = dom
        .find("<html")
        .unwrap_or_else(|| panic!("no document: {dom}"));
    // A value of an attribute has its quotation marks escaped.
    let mut is_quoted = false;
    let end = dom[from..].char_indices().find(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == '>' && !is_quoted
    });
    let (to, _) = end.unwrap();
    dom[from..from + to].to_owned()
}

#[test]
fn a_browser_shows_it_without_overflow_and_axe_finds_nothing_serious() {
    let Some(browser) = program(&BROWSERS) else {
        println!("skipped: none of {BROWSERS:?} is installed");
        return;
    };
    let axe = axe();
    if axe.is_none() {
        println!("axe-core is skipped: npm is not installed, or cannot fetch it");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut all = super::markdown::all();
    let twins = made::plan(&["acks-1-leader-kill", "acks-all-leader-kill"], 2);
    all.scenarios.extend(twins.scenarios);
    let verdict = made::verdict(&all);
    let all = (all, verdict);
    let views = |widths: &[u32], dark: &[bool]| {
        let view = |width: &u32| dark.iter().map(|dark| (*width, *dark)).collect::<Vec<_>>();
        widths.iter().flat_map(view).collect::<Vec<_>>()
    };
    for ((plan, verdict), views) in [
        (made::violated(), views(&[390], &[false])),
        (made::doubtful(), views(&[1280], &[true])),
        (all, views(&[1280, 390], &[false, true])),
    ] {
        let page = html::page(&plan, &verdict);
        let script = axe.as_deref().unwrap_or_default();
        let head = format!("<script>{script}</script>{PROBE}</head>");
        let file = folder.path().join("report.html");
        fs::write(&file, page.replacen("</head>", &head, 1)).unwrap();
        for (width, dark) in views {
            let view = View { width, dark };
            let root = root(&browser, folder.path(), view);
            let mut expected = vec![
                String::from("data-done=\"true\""),
                format!("data-width=\"{width}\""),
                format!("data-dark=\"{dark}\""),
                String::from("data-overflow=\"false\""),
            ];
            let empty = ["twice", "dead", "addresses", "bare", "outside"];
            expected.extend(empty.map(|name| format!("data-{name}=\"\"")));
            expected.extend(axe.iter().map(|_| String::from("data-axe=\"\"")));
            for expected in expected {
                assert!(root.contains(&expected), "{expected} at {view:?}: {root}");
            }
            for none in ["buttons", "charts"] {
                assert!(!root.contains(&format!("data-{none}=\"0\"")), "{root}");
            }
        }
    }
}
