use contract::TenantId;
use contract::account::Changed;

use crate::api::Shared;

/// Tells all exchange threads that an account is not what it was; none: the tenant itself.
pub(crate) fn changed(shared: &Shared, tenant: TenantId, name: Option<&str>) {
    // Other cells are told, too: what for them is in the store already.
    crate::cells::wake(shared);
    let notice = Changed { tenant, name: name.map(str::to_owned) };
    if let Err(error) = shared.bus.tell(None, &notice) {
        tracing::warn!(%error, %tenant, "an exchange was not told that an account has changed");
    }
}
