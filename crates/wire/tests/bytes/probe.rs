//! Listeners that are no Kafka brokers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::{Listener, probe};

/// What is said of a listener that does this with every connection.
async fn found<F, D>(does: D) -> Listener
where
    D: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            does(stream).await;
        }
    });
    let found = probe(&address).await;
    serving.abort();
    found
}

async fn asked(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap_or(0);
    bytes.truncate(length);
    bytes
}

/// Says this whatever it is asked.
async fn answers(says: &'static [u8]) -> Listener {
    found(move |mut stream| async move {
        asked(&mut stream).await;
        let _ = stream.write_all(says).await;
    })
    .await
}

#[tokio::test]
async fn others_are_known_by_their_first_bytes() {
    assert_eq!(answers(b"\x15\x03\x03\0\x02\x02\x50").await, Listener::Tls);
    assert_eq!(answers(b"\x15\x03\x01\0\x02\x02\x0a").await, Listener::Tls);
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_eq!(answers(http).await, Listener::Http);
    assert_eq!(answers(b"SSH-2.0-OpenSSH_9.6\r\n").await, Listener::Ssh);
    let postgres = b"E\0\0\0\x8fSFATAL\0VFATAL\0C0A000\0\0";
    assert_eq!(answers(postgres).await, Listener::Postgres);
    let redis = answers(b"-ERR unknown command\r\n").await;
    assert_eq!(redis, Listener::Other(b"-ERR unk".to_vec()));
}

#[tokio::test]
async fn who_speaks_first_is_known_too() {
    let ssh = found(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-dropbear\r\n").await;
    });
    assert_eq!(ssh.await, Listener::Ssh);
}

/// Some answer only in their own tongue.
#[tokio::test]
async fn who_closes_or_says_nothing_is_asked_otherwise() {
    let tls = found(|mut stream| async move {
        if asked(&mut stream).await.first() == Some(&0x16) {
            let _ = stream.write_all(b"\x16\x03\x03\0\x7a\x02").await;
        }
    });
    assert_eq!(tls.await, Listener::Tls);
    let http = found(|mut stream| async move {
        if asked(&mut stream).await.starts_with(b"GET ") {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        }
    });
    assert_eq!(http.await, Listener::Http);
    let closes = found(|stream| async move { drop(stream) });
    assert_eq!(closes.await, Listener::Closes);
}

#[tokio::test]
async fn a_closed_port_and_a_silent_one_differ() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(probe(&address).await, Listener::Nothing);
    assert_eq!(
        probe("no-such-host.invalid:9092").await,
        Listener::Unresolved
    );
}
