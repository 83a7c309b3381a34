//! librdkafka through pip: once, of the version that was asked for, and what is
//! said when it fails.

use std::env;
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;

use stack::artefacts::{FetchError, FetchProgress};
use stack::cache::Cache;
use stack::librdkafka::fetch_with;
use stack::pip::{Pip, PipError};

use crate::fixture::entries;

fn pip() -> Option<Pip> {
    Pip::find(env::var_os("PATH").as_deref())
}

/// Whether pip cannot be used here at all.
fn is_cut_off(error: &FetchError) -> bool {
    let cut_off = matches!(
        error,
        FetchError::Pip {
            source: PipError::NoPython | PipError::NoPip { .. } | PipError::Unreachable { .. },
            ..
        }
    );
    if cut_off {
        println!("without pip: {error:?}");
    }
    cut_off
}

#[test]
fn two_at_once_fetch_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let events = Mutex::new(Vec::new());
    let paths: Vec<_> = thread::scope(|scope| {
        let fetched = [(); 2].map(|()| {
            scope.spawn(|| {
                let seen = &mut |event| events.lock().unwrap().push(event);
                fetch_with(&cache, "1.8.2", pip, seen)
            })
        });
        fetched.map(|it| it.join().unwrap()).into()
    });
    if paths
        .iter()
        .filter_map(|it| it.as_ref().err())
        .any(is_cut_off)
    {
        return;
    }
    let path = paths[0].as_ref().unwrap();
    assert_eq!(
        path,
        &dir.path().join("parts/librdkafka-1.8.2/librdkafka.so.1")
    );
    assert!(path.is_file());
    let events = events.into_inner().unwrap();
    let resolved = (events.iter()).filter(|it| matches!(it, FetchProgress::Resolving(_)));
    assert_eq!(resolved.count(), 1, "{events:?}");
    assert_eq!(entries(&dir.path().join("scratch")), 0);

    let unasked = || panic!("pip is not needed");
    fetch_with(&cache, "1.8.2", unasked, &mut |it| panic!("{it:?}")).unwrap();
}

#[test]
fn no_python_no_network_and_no_such_version_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let fail = |version: &str, pip: &dyn Fn() -> Option<Pip>| {
        fetch_with(&cache, version, pip, &mut |_| {}).unwrap_err()
    };
    let told = fail("1.8.2", &|| Pip::find(Some(dir.path().as_os_str())));
    let none = matches!(
        &told,
        FetchError::Pip {
            source: PipError::NoPython,
            ..
        }
    );
    assert!(none, "{told:?}");

    let told = fail("../1.8.2", &|| panic!("pip is not needed"));
    assert!(matches!(told, FetchError::BadVersion { .. }), "{told:?}");

    // A port where nothing listens.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let index = format!("--index-url=http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let told = fail("1.8.2", &|| Some(pip()?.with_args(["--isolated", &index])));
    assert!(is_cut_off(&told), "{told:?}");

    let told = fail("1.8.99", &pip);
    if !is_cut_off(&told) {
        let missing = matches!(
            &told,
            FetchError::Pip { source: PipError::NotInIndex { complaint, .. }, .. }
                if complaint.contains("1.8.99")
        );
        assert!(missing, "{told:?}");
    }
}
