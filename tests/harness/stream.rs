//! Server-sent events, as a browser would read them.

use std::time::Duration;

use serde_json::Value;

use super::SOON;

/// One order's history while it happens.
pub(crate) struct EventStream {
    response: reqwest::Response,
    unread: Vec<u8>,
}

/// One message of the stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamedEvent {
    /// The `id:` field, the event's `seq`.
    pub(crate) id: u64,
    /// The whole message, with its `event:` and `data:`.
    pub(crate) text: String,
}

impl EventStream {
    /// Takes over a response that must be an event stream.
    pub(crate) fn open(response: reqwest::Response) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert!(
            content_type.starts_with("text/event-stream"),
            "content type {content_type:?}"
        );
        Self {
            response,
            unread: Vec::new(),
        }
    }

    /// The next message that carries an id; comments and keep-alives are passed over. Fails when none comes.
    pub(crate) async fn next(&mut self) -> StreamedEvent {
        let wait = async {
            loop {
                match self.take_block() {
                    Some(block) => match parse(&block) {
                        Some(event) => return event,
                        None => continue,
                    },
                    None => {
                        let chunk = self
                            .response
                            .chunk()
                            .await
                            .unwrap()
                            .expect("the stream goes on");
                        self.unread.extend_from_slice(&chunk);
                    }
                }
            }
        };
        tokio::time::timeout(SOON, wait)
            .await
            .expect("an event on the stream")
    }

    /// The ids of the next `count` messages.
    pub(crate) async fn next_ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.next().await.id);
        }
        ids
    }

    /// Whether the stream stays silent, or has ended, for this long.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        let next_chunk = async {
            while let Ok(Some(chunk)) = self.response.chunk().await {
                self.unread.extend_from_slice(&chunk);
                if self
                    .take_block()
                    .is_some_and(|block| parse(&block).is_some())
                {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::time::timeout(time, next_chunk).await.is_err()
    }

    fn take_block(&mut self) -> Option<String> {
        let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
        let block: Vec<u8> = self.unread.drain(..end + 2).collect();
        Some(String::from_utf8(block).expect("an event stream is UTF-8"))
    }
}

fn parse(block: &str) -> Option<StreamedEvent> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim_start().to_owned()))
    };
    let id = field("id:")?
        .parse()
        .expect("the id of an event is its seq");
    let data: Value = serde_json::from_str(&field("data:")?).expect("the data of an event is JSON");
    assert!(data.is_object(), "{block}");
    Some(StreamedEvent {
        id,
        text: block.to_owned(),
    })
}
