//! What comes between the checker and the service, on connections as they really end.

use super::*;

#[tokio::test]
async fn what_stands_between_is_noted_whatever_the_check_makes_of_it() {
    enum Act {
        Says(&'static str),
        Closes(u16, &'static str),
        Resets,
        SpeaksAndResets,
    }
    let cases = [
        (Act::Says("RATE_LIMIT_EXCEEDED"), Some((Blame::Throttled, "pace.jobs"))),
        (Act::Says("TOO_MANY_CONNECTIONS"), Some((Blame::Throttled, "pace.sockets_per_user"))),
        (Act::Says("TOKEN_INVALID"), None),
        (Act::Closes(1012, ""), Some((Blame::Environment, "close 1012"))),
        (Act::Closes(1001, "going away"), Some((Blame::Environment, "close 1001"))),
        (Act::Closes(1001, "superseded"), None),
        (Act::Closes(1008, ""), None),
        (Act::Resets, Some((Blame::Environment, "reset"))),
        (Act::SpeaksAndResets, None),
    ];
    for (act, due) in cases {
        let (listener, target, recorder) = listener().await;
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            switch(&mut stream, b"").await;
            let said = match act {
                Act::Says(code) => {
                    let error = json!({"type": "error", "payload": {"error_code": code, "message": "no"}});
                    frame(RawFrame::text(&error.to_string()))
                }
                Act::Closes(code, reason) => frame(RawFrame::close(Some(code), reason)),
                Act::Resets => Vec::new(),
                Act::SpeaksAndResets => text("pong"),
            };
            stream.write_all(&said).await.unwrap();
            if matches!(act, Act::Resets | Act::SpeaksAndResets) {
                stream.set_zero_linger().unwrap();
            }
        };
        let check = async {
            let mut socket = open(target.upgrade(&recorder)).await;
            socket.ended(SOON).await
        };
        tokio::join!(serve, check);
        let seen = recorder.manners().disturbance().map(|why| (why.blame, why.what));
        match (due, seen) {
            (None, None) => {}
            (Some((blame, told)), Some((seen, what))) => {
                assert_eq!(seen, blame, "{what}");
                assert!(what.contains(told), "{what}");
            }
            (due, seen) => panic!("{due:?}, seen {seen:?}"),
        }
    }
}

#[tokio::test]
async fn a_check_that_exhausts_limits_is_told_and_not_disturbed() {
    let (listener, target, recorder) = listener().await;
    recorder.manners().expect_throttling();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let (_stream, answer) = tokio::join!(serve, target.http(&recorder).call(Endpoint::ListThreads).send());
    assert_eq!(answer.unwrap().status, 429);
    assert!(recorder.manners().disturbance().is_none());
}
