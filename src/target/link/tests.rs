//! Links against a raw listener on loopback.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A deadline, not a measure.
const SOON: Duration = Duration::from_secs(5);

/// A client and the service, with the link between them.
struct Pair {
    link: Link,
    client: TcpStream,
    service: TcpStream,
}

async fn pair(build: impl FnOnce(LinkBuilder) -> LinkBuilder) -> Pair {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let link = build(Link::to(listener.local_addr().unwrap())).open().await.unwrap();
    let client = TcpStream::connect(link.address()).await.unwrap();
    let (service, _) = listener.accept().await.unwrap();
    Pair { link, client, service }
}

async fn read(side: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    tokio::time::timeout(SOON, side.read_exact(&mut octets)).await.expect("octets").unwrap();
    octets
}

/// How a side ends: the octets before it, and whether by a reset.
async fn end(side: &mut TcpStream) -> (usize, bool) {
    let mut octets = Vec::new();
    let end = tokio::time::timeout(SOON, side.read_to_end(&mut octets)).await.expect("an end");
    (octets.len(), end.is_err())
}

/// Whether nothing has come by the time that something, sent later, has come another way.
async fn silent(side: &TcpStream) -> bool {
    let Pair { link, mut client, mut service } = pair(|link| link).await;
    service.write_all(b"marker").await.unwrap();
    assert_eq!(read(&mut client, 6).await, b"marker");
    link.close().await;
    let nothing = side.try_read(&mut [0]);
    nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn octets_pass_are_kept_and_end_with_it() {
    let Pair { link, mut client, mut service } = pair(LinkBuilder::recording).await;
    let asked =
        b"POST /auth/validate HTTP/1.1\r\nContent-Length: 16\r\n\r\n{\"token\":\"a.b.c\"}GET /x HTTP/1.1\r\n\r\n";
    client.write_all(asked).await.unwrap();
    assert_eq!(read(&mut service, asked.len()).await, asked);
    service.write_all(b"answer").await.unwrap();
    assert_eq!(read(&mut client, 6).await, b"answer");

    assert!(link.heard("a.b.c") && !link.heard("answer"));
    assert_eq!(link.requests(), ["POST /auth/validate HTTP/1.1", "GET /x HTTP/1.1"]);
    let address = link.address();
    link.close().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(end(&mut client).await.0, 0);
}

#[tokio::test]
async fn an_end_passes_after_what_was_said_before_it() {
    let Pair { link: _link, mut client, mut service } = pair(|link| link.delay(Duration::from_millis(20))).await;
    service.write_all(b"last words").await.unwrap();
    service.shutdown().await.unwrap();
    assert_eq!(end(&mut client).await, (10, false));
    client.write_all(b"not yet").await.unwrap();
    assert_eq!(read(&mut service, 7).await, b"not yet");
}

#[tokio::test]
async fn delayed_octets_keep_their_order_and_come_no_sooner() {
    let (delay, jitter) = (Duration::from_millis(60), Duration::from_millis(40));
    let Pair { link: _link, mut client, mut service } = pair(|link| link.delay(delay).jitter(jitter)).await;
    let began = std::time::Instant::now();
    for number in 0..20_u8 {
        service.write_all(&[number]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&mut client, 20).await, (0..20).collect::<Vec<_>>());
    assert!(began.elapsed() >= delay.checked_sub(jitter).unwrap());
}

#[tokio::test]
async fn a_stall_holds_everything_up_and_loses_nothing() {
    let Pair { link, mut client, mut service } = pair(|link| link).await;
    link.stall();
    service.write_all(b"held").await.unwrap();
    service.shutdown().await.unwrap();
    assert!(silent(&client).await);
    link.resume();
    assert_eq!(end(&mut client).await, (4, false));
}

#[tokio::test]
async fn a_half_open_connection_tells_neither_side_and_new_ones_pass() {
    let Pair { link, client, mut service } = pair(|link| link).await;
    link.half_open();
    drop(client);
    assert!(silent(&service).await);
    service.write_all(b"lost").await.unwrap();
    link.close().await;
    // What the link has not read makes its end a reset.
    assert_eq!(end(&mut service).await.0, 0);
}

#[tokio::test]
async fn a_reset_reaches_both_sides_and_new_connections_pass() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let link = Link::to(listener.local_addr().unwrap()).open().await.unwrap();
    let mut client = TcpStream::connect(link.address()).await.unwrap();
    let (mut service, _) = listener.accept().await.unwrap();
    // Both directions are there before the command is given.
    client.write_all(b"?").await.unwrap();
    assert_eq!(read(&mut service, 1).await, b"?");
    link.cut_after(3);
    link.reset();
    assert!(end(&mut client).await.1 && end(&mut service).await.1);

    let mut client = TcpStream::connect(link.address()).await.unwrap();
    let (mut service, _) = listener.accept().await.unwrap();
    service.write_all(b"again").await.unwrap();
    assert_eq!(read(&mut client, 5).await, b"again");
    drop(client);
    assert_eq!(end(&mut service).await, (0, false));
}

#[tokio::test]
async fn a_cut_comes_after_exactly_so_many_octets() {
    let Pair { link, mut client, mut service } = pair(|link| link).await;
    link.cut_after(7);
    service.write_all(b"12345").await.unwrap();
    assert_eq!(read(&mut client, 5).await, b"12345");
    service.write_all(b"6789").await.unwrap();
    assert_eq!(end(&mut client).await.0, 2);
    assert_eq!(end(&mut service).await.0, 0);
}

#[tokio::test]
async fn dropping_a_link_ends_its_connections() {
    let Pair { link, mut client, mut service } = pair(|link| link).await;
    drop(link);
    assert_eq!((end(&mut client).await.0, end(&mut service).await.0), (0, 0));
}
