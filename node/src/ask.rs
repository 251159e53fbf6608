//! Asking a thread by its queue: an answer, or none once it has ended.
//!
//! What slips into a queue while its thread ends is kept there, unread, for as long as anybody could still send to it:
//! whoever waits for the answer alone waits for ever. So the queue's end is waited for, too.

use tokio::sync::{mpsc, oneshot};

/// A question that was put, and is not answered yet.
pub struct Pending<Command, Answer> {
    queue: mpsc::Sender<Command>,
    answered: oneshot::Receiver<Answer>,
}

impl<Command, Answer> Pending<Command, Answer> {
    /// Waits for the answer; nothing if the other side ends without one.
    pub async fn wait(mut self) -> Option<Answer> {
        tokio::select! {
            biased;
            answer = &mut self.answered => answer.ok(),
            // It answers what it has taken before it ends.
            () = self.queue.closed() => self.answered.try_recv().ok(),
        }
    }
}

/// Puts a question into `queue`, waiting for room; nothing if nobody reads it any more.
pub async fn put<Command, Answer>(
    queue: &mpsc::Sender<Command>,
    question: impl FnOnce(oneshot::Sender<Answer>) -> Command,
) -> Option<Pending<Command, Answer>> {
    let place = queue.reserve().await.ok()?;
    let (answer, answered) = oneshot::channel();
    place.send(question(answer));
    Some(Pending { queue: queue.clone(), answered })
}

/// Asks by `queue`, and waits for the answer; nothing if the other side ends without one.
pub async fn ask<Command, Answer>(
    queue: &mpsc::Sender<Command>,
    question: impl FnOnce(oneshot::Sender<Answer>) -> Command,
) -> Option<Answer> {
    put(queue, question).await?.wait().await
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_slips_in_while_the_other_side_ends_is_not_waited_for() {
        let (queue, mut asked) = mpsc::channel::<oneshot::Sender<u8>>(2);
        let first = put(&queue, |answer| answer).await.unwrap();
        asked.try_recv().unwrap().send(7).unwrap();
        // It has its place in the queue when the other side ends, and is put there behind the last look.
        let second = put(&queue, |answer| {
            drop(asked);
            answer
        });
        let second = second.await.unwrap();
        assert_eq!(second.wait().now_or_never(), Some(None));
        assert_eq!(first.wait().await, Some(7), "what was answered stays answered");
        assert_eq!(ask(&queue, |answer| answer).await, None);
    }
}
