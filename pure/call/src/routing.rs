use contract::media::Anchored;
use contract::registration::Contact;
use sip::{Host, Status, Uri};

use crate::asking::Topic;
use crate::context::Context;
use crate::ending::End;
use crate::moving::Placed;
use crate::state::{Plan, Routing, State};
use crate::{Call, Route};

/// From the INVITE to the first phone that rings.
impl Call {
    /// Asks for the way and for the money, both at once.
    pub(crate) fn set_off(&mut self, cx: &mut Context<'_>) {
        self.ask_for(self.wanted.clone(), cx);
        self.reserve(cx);
    }

    /// Asks for the way to `wanted`.
    pub(crate) fn ask_for(&mut self, wanted: String, cx: &mut Context<'_>) {
        self.wanted = wanted;
        self.routes += 1;
        self.ask(Topic::Route, cx);
    }

    /// The way is known.
    pub(crate) fn routed(&mut self, it: Routing, route: Route, cx: &mut Context<'_>) -> State {
        let plan = match route {
            Route::Ring { to, contacts } => {
                self.chronicle.callee = to;
                if contacts.is_empty() {
                    return self.end(End::nobody_there(), cx);
                }
                Plan::Phones(contacts)
            }
            Route::App { name } => Plan::App(name),
            Route::Refuse { status, cause } => return self.end(End::refused(status, cause), cx),
        };
        self.set_out(Routing { plan: Some(plan), ..it }, cx)
    }

    /// Goes on as soon as the way is known and the call is paid for.
    pub(crate) fn set_out(&mut self, it: Routing, cx: &mut Context<'_>) -> State {
        match it {
            Routing { plan: Some(plan), is_funded: true } => self.anchor(plan, cx),
            it => State::Routing(it),
        }
    }

    /// Finds a place for the audio.
    pub(crate) fn anchor(&mut self, plan: Plan, cx: &mut Context<'_>) -> State {
        match &plan {
            Plan::Phones(_) if self.audio.is_direct() => return self.go(plan, cx),
            Plan::Phones(contacts) => self.audio.join_two(contacts.iter().all(is_ipv6)),
            Plan::App(_) => self.audio.join_one(),
        }
        self.audio.prefer(&cx.settings().media);
        self.wish(cx);
        State::Anchoring(plan)
    }

    /// The place for the audio is there, or isn't.
    pub(crate) fn anchored(&mut self, plan: Plan, anchored: Anchored, cx: &mut Context<'_>) -> State {
        match self.placed(anchored, cx) {
            Placed::Here => {
                self.leave_sessions(cx);
                self.go(plan, cx)
            }
            Placed::Elsewhere => State::Anchoring(plan),
            Placed::Nowhere(cause) => self.end(End::failed(Status::SERVICE_UNAVAILABLE, cause), cx),
        }
    }

    fn go(&mut self, plan: Plan, cx: &mut Context<'_>) -> State {
        match plan {
            Plan::Phones(contacts) => self.ring(contacts, cx),
            Plan::App(name) => self.serve(name, cx),
        }
    }
}

fn is_ipv6(contact: &Contact) -> bool {
    Uri::parse(contact.uri.as_bytes()).is_ok_and(|uri| matches!(uri.host, Host::V6(_)))
}
