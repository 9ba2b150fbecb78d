//! A. K. Erlang's two formulas (1917). A load of one erlang keeps one server busy all the time.

/// The share of attempts that find all `servers` busy under a load of `erlangs`, if who finds no place goes away
/// (Erlang B).
pub fn blocked(erlangs: f64, servers: u64) -> f64 {
    1.0 / (0..servers).fold(1.0, |inverse, busy| 1.0 + inverse * (busy + 1) as f64 / erlangs)
}

/// How many servers `erlangs` need, so that no more than this share finds no place.
pub fn servers(erlangs: f64, most_blocked: f64) -> u64 {
    if erlangs <= 0.0 {
        return 0;
    }
    let (mut servers, mut inverse) = (0, 1.0);
    while inverse * most_blocked < 1.0 {
        servers += 1;
        inverse = 1.0 + inverse * servers as f64 / erlangs;
    }
    servers
}

/// The share that must wait under a load of `erlangs`, if who finds all `servers` busy waits (Erlang C); all, if there
/// are too few.
pub fn waiting(erlangs: f64, servers: u64) -> f64 {
    let usage = erlangs / servers as f64;
    if usage >= 1.0 {
        return 1.0;
    }
    let blocked = blocked(erlangs, servers);
    blocked / (1.0 - usage * (1.0 - blocked))
}

/// How long no more than `share` wait longer than, in units of the mean service time; `None` if the queue
/// has no end.
pub fn longest_wait(erlangs: f64, servers: u64, share: f64) -> Option<f64> {
    let idle = servers as f64 - erlangs;
    (idle > 0.0).then(|| ((waiting(erlangs, servers) / share).ln() / idle).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_near(left: f64, right: f64) -> bool {
        (left - right).abs() < 5e-5
    }

    /// Values of the tables that every teletraffic handbook prints.
    #[test]
    fn erlang_b_is_as_the_tables_say() {
        assert!(is_near(blocked(1.0, 1), 0.5));
        assert!(is_near(blocked(10.0, 10), 0.2146));
        assert!(is_near(blocked(4.461, 10), 0.0100));
        assert_eq!(servers(4.461, 0.01001), 10);
        assert_eq!(servers(84.06, 0.01001), 100);
        assert_eq!(servers(0.0, 0.01), 0);
    }

    #[test]
    fn erlang_c_is_as_the_tables_say() {
        assert!(is_near(waiting(2.0, 3), 0.4444));
        assert!(is_near(waiting(8.0, 10), 0.4092));
        assert_eq!(waiting(5.0, 5), 1.0);
        assert_eq!(longest_wait(5.0, 5, 0.01), None);
        let wait = longest_wait(8.0, 10, 0.01).map(|wait| (wait * 1000.0).round());
        assert_eq!(wait, Some(1856.0));
        assert_eq!(longest_wait(0.1, 10, 0.01), Some(0.0), "hardly anybody waits at all");
    }

    proptest! {
        #[test]
        fn as_many_servers_as_needed_and_no_more(erlangs in 0.01..5000.0, most in 0.0001..0.5) {
            let needed = servers(erlangs, most);
            prop_assert!(blocked(erlangs, needed) <= most * 1.000_001);
            prop_assert!(needed == 0 || blocked(erlangs, needed - 1) > most * 0.999_999);
        }

        #[test]
        fn one_more_server_never_makes_anybody_wait_longer(erlangs in 0.01..500.0, servers in 1u64..600) {
            prop_assert!(waiting(erlangs, servers + 1) <= waiting(erlangs, servers));
        }
    }
}
