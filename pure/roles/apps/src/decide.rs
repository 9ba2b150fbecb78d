use contract::app::{Event, Happened, Instruction, Instructions};

use crate::echo;

/// What an app is: a function of the call, where the app stands, and what happened.
type App = fn(&Happened) -> Instructions;

/// Every app there is, by name.
pub const APPS: &[(&str, App)] = &[("echo", echo::decide)];

const NOT_FOUND: u16 = 404;

/// What the app of this call wants now. The same event at the same position has the same answer, so an event
/// that comes twice does no harm.
pub fn decide(happened: &Happened) -> Instructions {
    match APPS.iter().find(|(name, _)| *name == happened.app) {
        Some((_, app)) => app(happened),
        None => unknown_app(happened),
    }
}

/// Before the answer a call is refused; an app that went away in mid-call ends it.
fn unknown_app(happened: &Happened) -> Instructions {
    let instruction = match happened.event {
        Event::Offered { .. } => Instruction::Refuse { status: NOT_FOUND },
        Event::Answered | Event::Digit { .. } | Event::Played | Event::Unknown => Instruction::HangUp,
    };
    Instructions { position: happened.position.clone(), instructions: vec![instruction] }
}
