//! Which media node holds the session, what is left of it on others, and which phones know where it is.

use contract::media::{LegPort, Release};
use contract::{CallId, NodeId};
use machine::Moment;
use machine::terse::is_default;
use sdp::Session;
use serde::{Deserialize, Serialize};

use super::{Audio, Half, Passed, Place, Side, Unfit};
use crate::heard::Heard;

/// Where the session is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Home {
    /// The node that is asked for it; 0: whoever hears us.
    #[serde(skip_serializing_if = "is_default")]
    node: NodeId,
    /// It is being built at `node` in place of this one, whose ports the phones are told until it stands.
    #[serde(skip_serializing_if = "is_default")]
    from: Option<From>,
    /// Nodes that were asked in vain meanwhile.
    #[serde(skip_serializing_if = "is_default")]
    tried: Vec<NodeId>,
    /// Sessions that no phone will need any more, to be released.
    #[serde(skip_serializing_if = "is_default")]
    left: Vec<Left>,
    /// When a phone that could not hear of the new place is told again.
    #[serde(skip_serializing_if = "is_default")]
    again: Option<Moment>,
    /// When it was wished at another node last.
    #[serde(skip_serializing_if = "is_default")]
    went: Moment,
    /// How often it was told again since all of them knew.
    #[serde(skip_serializing_if = "is_default")]
    agains: u8,
}

/// The session that is being left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct From {
    #[serde(skip_serializing_if = "is_default")]
    node: NodeId,
    /// Of its last wish.
    #[serde(skip_serializing_if = "is_default")]
    version: u32,
    /// Its node is gone, or does not answer: there is no way back.
    #[serde(skip_serializing_if = "is_default")]
    is_lost: bool,
}

/// A session that was left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Left {
    #[serde(skip_serializing_if = "is_default")]
    node: NodeId,
    /// Of its last wish.
    #[serde(skip_serializing_if = "is_default")]
    version: u32,
    /// Its ports, if there is a way back to it.
    #[serde(skip_serializing_if = "is_default")]
    ports: Vec<Place>,
}

impl Half {
    /// Its phone was told of ports that are not its side's any more.
    fn is_stale(&self) -> bool {
        !self.told.is_empty() && self.told_of != self.moves
    }
}

impl Audio {
    /// Who is asked for the session; 0: whoever hears us.
    pub(crate) fn node(&self) -> NodeId {
        self.home.node
    }

    /// Whether the session's node is none of those that are `there`. Who knows of none knows nothing.
    pub(crate) fn misses_node(&self, there: &[NodeId]) -> bool {
        self.home.node != NodeId(0) && !there.is_empty() && !there.contains(&self.home.node)
    }

    /// Who could have the session next: the first that is `there`, and was not asked in vain.
    pub(crate) fn other_node(&self, there: &[NodeId]) -> Option<NodeId> {
        let is_known = self.home.node != NodeId(0) || self.ports.is_empty();
        let is_other = |node: &NodeId| *node != self.home.node && !self.home.tried.contains(node);
        there.iter().copied().find(is_other).filter(|_| is_known)
    }

    /// The first wish goes to the node that is preferred, if there is one.
    pub(crate) fn prefer(&mut self, there: &[NodeId]) {
        if self.home.node == NodeId(0)
            && self.ports.is_empty()
            && let Some(&first) = there.first()
        {
            self.home.node = first;
        }
    }

    /// From now on the session is wished at `node`. `is_lost`: where it was, it can't be gone back to.
    pub(crate) fn go_to(&mut self, node: NodeId, is_lost: bool) {
        let (before, version) = (self.home.node, self.version);
        match &mut self.home.from {
            None if !self.ports.is_empty() => {
                self.home.from = Some(From { node: before, version, is_lost });
            }
            from => {
                if let Some(from) = from.as_mut().filter(|from| from.node == before) {
                    from.is_lost |= is_lost;
                }
                // It may have built it, unheard.
                self.leave(Left { node: before, version, ports: Vec::new() });
            }
        }
        self.home.tried.push(before);
        self.home.node = node;
        self.home.left.retain(|left| left.node != node);
        self.version += 1;
    }

    /// What the node that is being left has is no good any more.
    pub(crate) fn forget_way_back(&mut self, there: &[NodeId]) {
        if let Some(from) = &mut self.home.from {
            from.is_lost |= !there.is_empty() && !there.contains(&from.node);
        }
        let is_there = |left: &Left| there.is_empty() || there.contains(&left.node);
        self.home.left.iter_mut().filter(|left| !is_there(left)).for_each(|left| left.ports.clear());
    }

    /// Goes back to the session that was left last; false if there is no way back.
    pub(crate) fn go_back(&mut self) -> bool {
        let (node, version) = (self.home.node, self.version);
        if let Some(from) = self.home.from.take_if(|from| !from.is_lost) {
            self.home.node = from.node;
        } else if self.home.from.is_none()
            && let Some(at) = self.home.left.iter().rposition(|left| !left.ports.is_empty())
        {
            let left = self.home.left.remove(at);
            self.home.node = left.node;
            self.take_ports(left.ports);
        } else {
            return false;
        }
        self.leave(Left { node, version, ports: Vec::new() });
        self.home.tried.clear();
        self.version += 1;
        true
    }

    /// Another session is being built, and the phones don't know of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.home.from.is_some()
    }

    /// The session is wished elsewhere since `now`.
    pub(crate) fn goes(&mut self, now: Moment) {
        self.home.went = now;
    }

    /// When it was wished elsewhere last.
    pub(crate) fn went(&self) -> Moment {
        self.home.went
    }

    /// Nodes that were asked in vain may be asked again.
    pub(crate) fn try_all_again(&mut self) {
        self.home.tried.clear();
    }

    /// The session stands at `node`.
    pub(crate) fn opened(&mut self, node: NodeId, ports: Vec<LegPort>) -> Result<(), Unfit> {
        let has = |leg: u8| ports.iter().any(|port| port.leg == leg);
        if !(0..self.legs).all(has) {
            return Err(Unfit);
        }
        let ports = ports.into_iter().map(|port| Place { leg: port.leg, rtp: port.rtp }).collect();
        let before = self.take_ports(ports);
        if let Some(From { node, version, is_lost }) = self.home.from.take() {
            self.leave(Left { node, version, ports: if is_lost { Vec::new() } else { before } });
        }
        if node != NodeId(0) {
            self.home.node = node;
            self.home.left.retain(|left| left.node != node);
        }
        self.home.tried.clear();
        if self.is_known() {
            self.home.agains = 0;
        }
        Ok(())
    }

    fn take_ports(&mut self, ports: Vec<Place>) -> Vec<Place> {
        let before = std::mem::replace(&mut self.ports, ports);
        for side in [Side::Caller, Side::Callee] {
            let was = before.iter().find(|port| port.leg == side as u8).map(|port| port.rtp);
            if was.is_some() && was != self.port(side).map(|port| port.rtp) {
                let half = self.half_mut(side);
                half.moves = half.moves.wrapping_add(1);
            }
        }
        before
    }

    fn leave(&mut self, left: Left) {
        if left.node != NodeId(0) {
            self.home.left.retain(|other| other.node != left.node);
            self.home.left.push(left);
        }
    }

    /// Whether what `node` noticed is of the session that the phones know. What it is not is a ghost's, which
    /// is to be released.
    pub(crate) fn is_heard_from(&mut self, node: NodeId) -> bool {
        let known = self.home.from.as_ref().map_or(self.home.node, |from| from.node);
        let is_on_the_way = |left: &Left| left.node == node && !left.ports.is_empty();
        if node == NodeId(0) || known == NodeId(0) || node == known || node == self.home.node {
            return true;
        }
        if self.halves[0].is_stale() && self.home.left.iter().any(is_on_the_way) {
            return true;
        }
        self.leave(Left { node, version: self.version, ports: Vec::new() });
        false
    }

    /// `side`'s phone must hear of another place.
    pub(crate) fn is_stale(&self, side: Side) -> bool {
        self.half(side).is_stale()
    }

    /// Every phone knows where the session is.
    pub(crate) fn is_known(&self) -> bool {
        !self.halves.iter().any(Half::is_stale)
    }

    /// Which of its side's ports a description is of that is made now.
    pub(crate) fn moves(&self, side: Side) -> u16 {
        self.half(side).moves
    }

    /// `side`'s phone knows of these ports (see [`Audio::moves`]).
    pub(crate) fn knows(&mut self, side: Side, of: u16) {
        self.half_mut(side).told_of = of;
    }

    /// `side`'s phone knows of the ports that there are now, or never will.
    pub(crate) fn knows_all(&mut self, side: Side) {
        self.knows(side, self.moves(side));
    }

    /// `side`'s phone does not hold what it was told last.
    pub(crate) fn doubts(&mut self, side: Side) {
        self.knows(side, self.moves(side).wrapping_sub(1));
    }

    /// What `side` was told last, with the ports that there are now, and with those codecs only that its phone
    /// agreed to (RFC 3264 8).
    pub(crate) fn renewal(&mut self, side: Side, id: CallId) -> Result<Vec<u8>, Unfit> {
        let half = self.half(side);
        let mut session = Session::parse(&half.told).map_err(|_| Unfit)?;
        if let (Some(index), Some(heard)) = (session.audio_index(), &half.heard) {
            keep_agreed(&mut session.media[index], heard);
        }
        let told = self.pass_on(side, session, id)?;
        self.half_mut(side).told.clone_from(&told);
        Ok(told)
    }

    /// The same for a phone that has not answered the call yet. Others that are called are offered all codecs.
    pub(crate) fn early_renewal(&mut self, side: Side, id: CallId) -> Result<Vec<u8>, Unfit> {
        let before = self.half(side).told.clone();
        let told = self.renewal(side, id);
        if side == Side::Callee {
            self.half_mut(side).told = before;
        }
        told
    }

    /// Whether what the phones were told last can be gone back to.
    pub(crate) fn has_way_back(&self) -> bool {
        self.home.left.iter().any(|left| !left.ports.is_empty())
    }

    /// An answer to what was `passed` on to `side` and is not answered yet, of what it said before.
    pub(crate) fn answer_for(&mut self, side: Side, passed: &Passed, id: CallId) -> Result<Vec<u8>, Unfit> {
        let to = side.other();
        let offered = Session::parse(&passed.told).map_err(|_| Unfit)?;
        let mut session = Session::parse(&self.half(to).told).map_err(|_| Unfit)?;
        let index = session.audio_index().ok_or(Unfit)?;
        let is_alike = offered.audio_index() == Some(index) && offered.media.len() == session.media.len();
        let audio = &mut session.media[index];
        if !is_alike || passed.heard.refused || audio.is_rejected() {
            return Err(Unfit);
        }
        keep_agreed(audio, &passed.heard);
        let is_offered =
            |codec: &sdp::Codec| passed.heard.payloads.iter().any(|payload| payload.number == codec.payload);
        if !audio.codecs().iter().all(is_offered) {
            return Err(Unfit);
        }
        audio.lines.set_direction(passed.heard.direction.reversed());
        let told = self.pass_on(to, session, id)?;
        let half = self.half_mut(to);
        (half.told, half.told_of) = (told.clone(), half.moves);
        Ok(told)
    }

    /// The first offer once more, for a phone that is called now.
    pub(crate) fn renew_first_offer(&mut self, id: CallId) {
        let half = self.half(Side::Callee);
        let names = Session::parse(&half.told).ok().and_then(|told| Heard::of(&told, &half.told).rtp);
        let is_behind = half.is_stale() && names != self.port(Side::Callee).map(|port| port.rtp);
        if is_behind && !self.offer.is_empty() {
            let before = std::mem::take(&mut self.half_mut(Side::Callee).told);
            if self.first_offer(id).is_err() {
                self.half_mut(Side::Callee).told = before;
            }
        }
    }

    /// A phone that could not hear of the new place is told again then; false: it was told often enough.
    pub(crate) fn tell_later(&mut self, at: Moment) -> bool {
        /// How often it is told again.
        const MOST: u8 = 5;
        let is_worthwhile = self.home.agains < MOST;
        if is_worthwhile {
            self.home.agains += 1;
            self.home.again = Some(at);
        }
        is_worthwhile
    }

    /// When that is.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.home.again
    }

    /// Whether it is time; it counts as done.
    pub(crate) fn is_due(&mut self, now: Moment) -> bool {
        self.home.again.take_if(|at| *at <= now).is_some()
    }

    /// The next session to be released, and where.
    pub(crate) fn next_left(&self) -> Option<(NodeId, Release)> {
        let left = self.home.left.first()?;
        Some((left.node, Release { version: left.version, ..Release::default() }))
    }

    /// The session of that wish is released, or never will be.
    pub(crate) fn is_left(&mut self, version: u32) {
        let at = self.home.left.iter().position(|left| left.version == version);
        at.map(|at| self.home.left.remove(at));
    }

    /// The same of the one in front.
    pub(crate) fn gives_up_left(&mut self) {
        if !self.home.left.is_empty() {
            self.home.left.remove(0);
        }
    }

    /// The call is over: what is left of its audio, to be released.
    pub(crate) fn over(mut self, there: &[NodeId]) -> Audio {
        let from = self.home.from.take();
        if let Some(From { node, version, .. }) = from {
            self.leave(Left { node, version, ports: Vec::new() });
        }
        if self.misses_node(there) {
            let (node, version) = (self.home.node, self.version);
            self.leave(Left { node, version, ports: Vec::new() });
        }
        let Home { node, left, .. } = self.home;
        Audio { home: Home { node, left, ..Home::default() }, ..Audio::default() }
    }

    /// The session's node does not answer, and is not waited for any longer.
    pub(crate) fn leave_home(&mut self) {
        let node = self.home.node;
        self.leave(Left { node, version: u32::MAX, ports: Vec::new() });
    }
}

fn keep_agreed(audio: &mut sdp::Media, heard: &Heard) {
    let agreed = |codec: &sdp::Codec| {
        let same = |name: &str, clock| codec.name.eq_ignore_ascii_case(name) && codec.clock == clock;
        heard.payloads.iter().any(|payload| same(&payload.name, payload.clock))
    };
    if audio.codecs().iter().any(agreed) {
        audio.retain_codecs(agreed);
    }
}
