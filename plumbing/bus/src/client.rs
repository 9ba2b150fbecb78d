use std::sync::Arc;
use std::time::Duration;

use contract::{Body, Conversation, Notice, To};
use machine::Shard;

use crate::{Addressed, Carrier, Local, Member, NotSent, Topology, Unanswered};

/// Asks and tells from tokio, typed by conversation. Clones share their connections.
#[derive(Debug)]
pub struct Client<K = Local> {
    carrier: Arc<K>,
}

impl<K> Clone for Client<K> {
    fn clone(&self) -> Self {
        Client { carrier: self.carrier.clone() }
    }
}

impl Client<Local> {
    /// Speaks to the members of `topology`. Must be called within a tokio runtime.
    pub fn local(topology: Topology) -> Self {
        Client::over(Local::new(topology))
    }

    /// Who is there.
    pub fn topology(&self) -> &Topology {
        self.carrier.topology()
    }

    /// Asks one member by name, whatever the routing says.
    pub async fn ask_member<C: Conversation>(
        &self,
        member: Member,
        conversation: &C,
    ) -> Result<C::Answer, Unanswered> {
        let request = Addressed::request(To::Any, conversation);
        read::<C>(self.carrier.request_of(member, request, C::WITHIN).await)
    }
}

impl<K: Carrier> Client<K> {
    /// Speaks over `carrier`.
    pub fn over(carrier: K) -> Self {
        Client { carrier: Arc::new(carrier) }
    }

    /// What it speaks over.
    pub fn carrier(&self) -> &K {
        &self.carrier
    }

    /// Asks the owner of `shard` (or the one member of the role) and waits as long as the conversation says.
    pub async fn ask<C: Conversation>(
        &self,
        shard: Option<Shard>,
        conversation: &C,
    ) -> Result<C::Answer, Unanswered> {
        self.ask_at(shard.map_or(To::Any, To::Owner), conversation).await
    }

    /// Asks one member, said by `to`, and waits as long as the conversation says.
    pub async fn ask_at<C: Conversation>(&self, to: To, conversation: &C) -> Result<C::Answer, Unanswered> {
        read::<C>(self.carrier.request(Addressed::request(to, conversation), C::WITHIN).await)
    }

    /// Asks every member of the role, all at once; by the member's name.
    pub async fn ask_all<C: Conversation>(
        &self,
        conversation: &C,
    ) -> Vec<(String, Result<C::Answer, Unanswered>)> {
        let answers = self.carrier.request_all(Addressed::request(To::All, conversation), C::WITHIN).await;
        answers.into_iter().map(|(member, answer)| (member, read::<C>(answer))).collect()
    }

    /// Tells the owner of `shard`, or every member of the role.
    pub fn tell<N: Notice>(&self, shard: Option<Shard>, notice: &N) -> Result<(), NotSent> {
        self.tell_to(shard.map_or(To::All, To::Owner), notice)
    }

    /// Tells `to`.
    pub fn tell_to<N: Notice>(&self, to: To, notice: &N) -> Result<(), NotSent> {
        self.carrier.publish(Addressed::notice(to, notice))
    }
}

/// Whoever has a client can speak over what it speaks over.
impl<K: Carrier> Carrier for Client<K> {
    async fn request(&self, request: Addressed, within: Duration) -> Result<Body, Unanswered> {
        self.carrier.request(request, within).await
    }

    async fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Vec<(String, Result<Body, Unanswered>)> {
        self.carrier.request_all(request, within).await
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        self.carrier.publish(notice)
    }
}

fn read<C: Conversation>(answer: Result<Body, Unanswered>) -> Result<C::Answer, Unanswered> {
    contract::decode(&answer?)
        .map_err(|source| Unanswered::Garbled { subject: C::SUBJECT.to_string(), source })
}
