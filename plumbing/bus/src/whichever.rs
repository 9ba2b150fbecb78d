use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use contract::Body;

use crate::{Addressed, Carrier, Client, NotSent, Unanswered};

type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A carrier, whichever it is: for those who need not know. It costs one allocation a request.
#[derive(Debug)]
pub struct Whichever(Box<dyn Erased>);

impl<K: Carrier + std::fmt::Debug> Client<K> {
    /// The same, for those who need not know what it speaks over.
    pub fn erased(self) -> Client<Whichever> {
        Client::over(Whichever(Box::new(self)))
    }
}

/// [`Carrier`] as a trait object can have it.
trait Erased: std::fmt::Debug + Send + Sync {
    fn request(&self, request: Addressed, within: Duration) -> Waiting<'_, Result<Body, Unanswered>>;

    fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Waiting<'_, Vec<(String, Result<Body, Unanswered>)>>;

    fn publish(&self, notice: Addressed) -> Result<(), NotSent>;
}

impl<K: Carrier + std::fmt::Debug> Erased for K {
    fn request(&self, request: Addressed, within: Duration) -> Waiting<'_, Result<Body, Unanswered>> {
        Box::pin(Carrier::request(self, request, within))
    }

    fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Waiting<'_, Vec<(String, Result<Body, Unanswered>)>> {
        Box::pin(Carrier::request_all(self, request, within))
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        Carrier::publish(self, notice)
    }
}

impl Carrier for Whichever {
    async fn request(&self, request: Addressed, within: Duration) -> Result<Body, Unanswered> {
        self.0.request(request, within).await
    }

    async fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Vec<(String, Result<Body, Unanswered>)> {
        self.0.request_all(request, within).await
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        self.0.publish(notice)
    }
}
