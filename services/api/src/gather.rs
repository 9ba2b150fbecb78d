//! The same question to all signalling threads, each of which knows its own part.

use axum::http::StatusCode;
use bus::{Client, Whichever};
use contract::Conversation;

use crate::problem::Problem;

/// What the threads answered.
pub(crate) struct Gathered<A> {
    pub(crate) answers: Vec<A>,
    /// Who did not answer in time.
    pub(crate) missing: Vec<String>,
}

/// Asks all threads at once. Some may be silent (being started again, say), but not all of them.
pub(crate) async fn gather<C: Conversation>(
    bus: &Client<Whichever>,
    question: &C,
) -> Result<Gathered<C::Answer>, Problem> {
    let (mut answers, mut missing) = (Vec::new(), Vec::new());
    for (member, answer) in bus.ask_all(question).await {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                tracing::warn!(%member, %error, "a worker does not answer the API");
                missing.push(member);
            }
        }
    }
    if answers.is_empty() {
        return Err(silent(&missing));
    }
    Ok(Gathered { answers, missing })
}

/// Those who would know do not answer.
pub(crate) fn silent(missing: &[String]) -> Problem {
    let detail = format!("no answer from {} in time; try again", missing.join(", "));
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}
