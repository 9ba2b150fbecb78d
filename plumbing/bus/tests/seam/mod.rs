//! What every bus promises, whether its members share a host or not: one suite for all of them. A bus takes part
//! by being a [`Stage`], in a test binary that includes this folder.

#![allow(clippy::unwrap_used)]

mod durable;
mod looped;
mod speech;

use strowger_bus::durable::{Keys, Streams};
use strowger_bus::{Carrier, Client, Mailbox, Server};
use tokio::task::JoinHandle;

pub(crate) use durable::*;
pub(crate) use looped::Looped;
pub(crate) use speech::*;

/// A bus of its own for one test, and those who speak on it. Members are known as on one host: `signalling-N`
/// for those who own shards, `media`, `office`.
pub(crate) trait Stage: Sized {
    type Carrier: Carrier;
    type Mailbox: Mailbox + Send + 'static;
    type Streams: Streams;
    type Keys: Keys;

    /// With so many signalling members.
    async fn new(signalling: u16) -> Self;
    /// Someone who asks, from tokio.
    fn client(&self) -> Client<Self::Carrier>;
    /// Signalling member `number`, who owns its part of the shards.
    fn signalling(&self, number: u16) -> Self::Mailbox;
    /// The media worker.
    fn media(&self) -> Self::Mailbox;
    /// The office, which answers with `server`.
    fn office(&self, server: Server) -> Gone;
    /// Until all that was set up is heard.
    async fn settle(&self);
    /// The durable streams, as another process sees them.
    fn streams(&self) -> Self::Streams;
    /// A bucket, as another process sees it.
    fn keys(&self, bucket: &str) -> Self::Keys;
}

/// A task that ends with its value.
pub(crate) struct Gone(JoinHandle<()>);

impl Gone {
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Gone(tokio::spawn(task))
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes a test of everything that a bus promises; all of them with an attribute, if one is given.
#[macro_export]
macro_rules! promises {
    (@each $given:tt $($name:ident)*) => { $( $crate::promises! { @one $given $name } )* };
    (@one ($stage:ty $(, $attribute:meta)?) $name:ident) => {
        #[tokio::test]
        $(#[$attribute])?
        async fn $name() {
            seam::$name::<$stage>().await;
        }
    };
    ($stage:ty $(, $attribute:meta)?) => {
        $crate::promises! { @each ($stage $(, $attribute)?)
            a_request_is_answered_by_the_role_that_it_is_for
            a_loop_in_epoll_asks_and_is_asked
            a_shard_is_asked_at_its_owner_and_a_role_at_all_its_members
            a_message_of_a_megabyte_passes
            a_notice_reaches_whom_it_is_for
            a_request_to_anyone_is_heard_by_one
            a_node_is_asked_by_its_number
            a_handler_that_fails_or_dies_leaves_the_others_alone
            nobody_there_is_said_in_the_time_of_the_conversation
            a_member_that_is_being_started_answers_what_was_asked_meanwhile
            many_askers_at_once_each_get_their_own_answer
            a_stream_is_heard_in_order_and_from_where_its_consumer_stopped
            what_is_said_twice_is_kept_once
            every_name_hears_all_and_those_who_share_it_share_the_entries
            what_is_not_acknowledged_comes_again
            a_key_is_put_and_got_and_forgotten
            an_update_of_what_was_changed_meanwhile_is_refused
            a_watch_tells_what_is_there_and_then_what_changes
        }
    };
}
