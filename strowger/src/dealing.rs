//! What a worker is dealt: what its predecessor had, and what is bound for it now.

use std::os::fd::OwnedFd;

use host::estate::Legacy;

/// The descriptors of one worker, being collected.
pub(crate) struct Dealing<'a> {
    worker: &'static str,
    legacy: &'a mut Legacy,
    dealt: Vec<(String, OwnedFd)>,
}

impl<'a> Dealing<'a> {
    /// Nothing yet for `worker`; what it was dealt before lies in `legacy`.
    pub(crate) fn to(worker: &'static str, legacy: &'a mut Legacy) -> Self {
        Dealing { worker, legacy, dealt: Vec::new() }
    }

    /// Adds what was held under `label` before; if nothing was, what `bind` makes.
    pub(crate) fn add<D: Into<OwnedFd>, E>(
        &mut self,
        label: String,
        bind: impl FnOnce() -> Result<D, E>,
    ) -> Result<(), E> {
        self.add_if_any(label, || bind().map(Some))
    }

    /// The same of what may not be had here.
    pub(crate) fn add_if_any<D: Into<OwnedFd>, E>(
        &mut self,
        label: String,
        bind: impl FnOnce() -> Result<Option<D>, E>,
    ) -> Result<(), E> {
        let held = self.legacy.take(self.worker, &label);
        let descriptor = match held {
            Some(held) => Some(held),
            None => bind()?.map(Into::into),
        };
        self.dealt.extend(descriptor.map(|descriptor| (label, descriptor)));
        Ok(())
    }

    /// All of them.
    pub(crate) fn done(self) -> Vec<(String, OwnedFd)> {
        self.dealt
    }
}
