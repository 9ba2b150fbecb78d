//! ITU-T G.107 (the E-model) and G.113: how good a call sounds, from what the network did to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Totals;

/// How much a codec takes from the quality, alone and when packets are lost (G.113 Appendix I).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impairment {
    /// Ie: what it costs without any loss.
    pub equipment: f64,
    /// Bpl: how well it bears loss; more is better.
    pub robustness: f64,
}

impl Impairment {
    /// G.711 that plays silence for a lost packet.
    pub const G711: Impairment = Impairment { equipment: 0.0, robustness: 4.3 };
    /// G.711 with concealment (its Appendix I), as players have it.
    pub const G711_CONCEALED: Impairment = Impairment { equipment: 0.0, robustness: 25.1 };
    /// G.729 Annex A with silence suppression.
    pub const G729: Impairment = Impairment { equipment: 11.0, robustness: 19.0 };
    /// G.723.1 at 6.3 kbit/s with silence suppression.
    pub const G723: Impairment = Impairment { equipment: 15.0, robustness: 16.1 };
    /// GSM enhanced full rate.
    pub const GSM_EFR: Impairment = Impairment { equipment: 5.0, robustness: 10.0 };
    /// G.722 at 64 kbit/s. An approximation: on this scale, made for narrow band, wide band is worth no
    /// more than the best telephone line.
    pub const G722: Impairment = Impairment { equipment: 0.0, robustness: 13.0 };
    /// Opus at speech rates with its own concealment. An approximation, as for G.722; no recommendation
    /// tabulates it.
    pub const OPUS: Impairment = Impairment { equipment: 0.0, robustness: 20.0 };

    /// By a codec's name in SDP; of an unknown one the cautious is thought.
    pub fn of(name: &str) -> Self {
        const KNOWN: [(&str, Impairment); 8] = [
            ("PCMU", Impairment::G711_CONCEALED),
            ("PCMA", Impairment::G711_CONCEALED),
            ("G722", Impairment::G722),
            ("G729", Impairment::G729),
            ("G723", Impairment::G723),
            ("GSM-EFR", Impairment::GSM_EFR),
            ("opus", Impairment::OPUS),
            // Its robustness is not tabulated; taken from its successor.
            ("GSM", Impairment { equipment: 20.0, robustness: 10.0 }),
        ];
        let known = KNOWN.iter().find(|known| known.0.eq_ignore_ascii_case(name));
        known.map_or(Impairment::G729, |known| known.1)
    }
}

/// What the network did to a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// From mouth to ear, one way.
    pub delay: Duration,
    /// The part of the packets that was lost: 0 to 1.
    pub loss: f64,
    /// How much losses cluster: 1 is by chance.
    pub burst_ratio: f64,
    /// The codec.
    pub codec: Impairment,
}

impl Conditions {
    /// From what was counted; `delay` is the one-way delay of the network (half a round trip, when nothing
    /// better is known), to which a player's buffer of twice the `jitter` is added.
    pub fn of(totals: &Totals, jitter: Duration, delay: Duration, codec: Impairment) -> Self {
        let (loss, burst_ratio) = (totals.loss(), totals.burst_ratio());
        Conditions { delay: delay + jitter * 2, loss, burst_ratio, codec }
    }
}

/// How good it sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The transmission rating factor R: 0 to 100, 93.2 at best here.
    pub r: f64,
    /// The mean opinion score estimated from it: 1 to 4.5.
    pub mos: f64,
}

impl Score {
    /// The score under `conditions`, with every other parameter of G.107 at its default.
    pub fn of(conditions: &Conditions) -> Self {
        Line::of(conditions.delay).rate(loss_impairment(conditions)).into_score()
    }
}

/// G.107 Annex B: the mean opinion score of a rating.
pub fn mos(r: f64) -> f64 {
    if r <= 0.0 {
        return 1.0;
    }
    if r >= 100.0 {
        return 4.5;
    }
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// G.107 7.5: Ie-eff.
fn loss_impairment(conditions: &Conditions) -> f64 {
    let Impairment { equipment, robustness } = conditions.codec;
    let percent = conditions.loss.clamp(0.0, 1.0) * 100.0;
    let weight = percent / conditions.burst_ratio.max(1.0) + robustness;
    equipment + (95.0 - equipment) * percent / weight
}

/// G.107 table 2: the defaults of what a packet network does not change.
mod default {
    pub(super) const SLR: f64 = 8.0;
    pub(super) const RLR: f64 = 2.0;
    pub(super) const STMR: f64 = 15.0;
    pub(super) const LSTR: f64 = 18.0;
    pub(super) const DS: f64 = 3.0;
    pub(super) const TELR: f64 = 65.0;
    pub(super) const WEPL: f64 = 110.0;
    pub(super) const QDU: f64 = 1.0;
    pub(super) const NC: f64 = -70.0;
    pub(super) const NFOR: f64 = -64.0;
    pub(super) const PS: f64 = 35.0;
    pub(super) const PR: f64 = 35.0;
    pub(super) const A: f64 = 0.0;
}

/// The line with everything but loss: R = Ro - Is - Id - Ie-eff + A.
struct Line {
    signal_to_noise: f64,
    simultaneous: f64,
    delayed: f64,
}

struct Rating(f64);

impl Rating {
    fn into_score(self) -> Score {
        let r = self.0.clamp(0.0, 100.0);
        Score { r, mos: mos(r) }
    }
}

impl Line {
    fn of(delay: Duration) -> Self {
        let delay = delay.as_secs_f64() * 1000.0;
        let noise = noise();
        let signal_to_noise = 15.0 - 1.5 * (default::SLR + noise);
        let simultaneous = simultaneous(signal_to_noise, noise, delay);
        Line { signal_to_noise, simultaneous, delayed: delayed(signal_to_noise, noise, delay) }
    }

    fn rate(&self, loss: f64) -> Rating {
        Rating(self.signal_to_noise - self.simultaneous - self.delayed - loss + default::A)
    }
}

fn decibel(power: f64) -> f64 {
    10.0 * power.log10()
}

fn power(decibel: f64) -> f64 {
    10f64.powf(decibel / 10.0)
}

/// A rounded corner: (1 + x^n)^(1/n).
fn corner(x: f64, n: f64) -> f64 {
    (1.0 + x.powf(n)).powf(1.0 / n)
}

/// 7.2: No, the sum of all noises at the 0 dBr point.
fn noise() -> f64 {
    let loudness = default::SLR + default::RLR;
    let send = default::PS - default::SLR - default::DS - 100.0
        + 0.004 * (default::PS - loudness - default::DS - 14.0).powi(2);
    let effective = default::PR + decibel(1.0 + power(10.0 - default::LSTR));
    let receive = default::RLR - 121.0 + effective + 0.008 * (effective - 35.0).powi(2);
    decibel(power(default::NC) + power(send) + power(receive) + power(default::NFOR + default::RLR))
}

/// 7.3: Is, what comes with the voice: too loud a line, side tone, quantising.
fn simultaneous(signal_to_noise: f64, noise: f64, delay: f64) -> f64 {
    let x = default::SLR + default::RLR + 0.2 * (64.0 + noise - default::RLR);
    let loudness = 20.0 * (corner(x / 8.0, 8.0) - x / 8.0);
    let q = 37.0 - 15.0 * default::QDU.log10();
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (signal_to_noise - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    let quantising = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10();
    loudness + side_tone(delay) + quantising
}

fn side_tone(delay: f64) -> f64 {
    let masked = -decibel(power(-default::STMR) + (-delay / 4.0).exp() * power(-default::TELR));
    12.0 * corner((masked - 13.0) / 6.0, 8.0)
        - 28.0 * corner((masked + 1.0) / 19.4, 35.0)
        - 13.0 * corner((masked - 3.0) / 33.0, 13.0)
        + 29.0
}

/// 7.4: Id, what comes late: the echo of the talker, of the listener, and delay itself.
fn delayed(signal_to_noise: f64, noise: f64, delay: f64) -> f64 {
    let talker = if delay < 1.0 { 0.0 } else { talker_echo(noise, delay) };
    let rating = 10.5 * (default::WEPL + 7.0) * (2.0 * delay + 1.0).powf(-0.25);
    let half = (signal_to_noise - rating) / 2.0;
    let listener = half + (half * half + 169.0).sqrt();
    talker + listener + pure_delay(delay)
}

fn talker_echo(noise: f64, delay: f64) -> f64 {
    let weighted = default::TELR - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10()
        + 6.0 * (-0.3 * delay * delay).exp();
    let rating = 80.0 + 2.5 * (weighted - 14.0);
    let half = (-1.5 * (noise - default::RLR) - rating) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp())
}

fn pure_delay(delay: f64) -> f64 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    25.0 * (corner(x, 6.0) - 3.0 * corner(x / 3.0, 6.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERFECT: Conditions =
        Conditions { delay: Duration::ZERO, loss: 0.0, burst_ratio: 1.0, codec: Impairment::G711 };

    fn r(conditions: Conditions) -> f64 {
        Score::of(&conditions).r
    }

    #[test]
    fn all_defaults_give_93_2_and_4_41() {
        let score = Score::of(&PERFECT);
        assert!((score.r - 93.2).abs() < 0.05, "{score:?}");
        assert!((score.mos - 4.41).abs() < 0.005, "{score:?}");
    }

    #[test]
    fn ratings_become_opinions_as_in_table_b_1() {
        for (r, opinion) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!((mos(r) - opinion).abs() < 0.01, "{r} {}", mos(r));
        }
        assert_eq!((mos(-1.0), mos(0.0), mos(100.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn a_codec_costs_its_equipment_impairment() {
        let g729 = r(Conditions { codec: Impairment::G729, ..PERFECT });
        assert!((r(PERFECT) - g729 - 11.0).abs() < 1e-9);
    }

    #[test]
    fn loss_costs_what_7_5_says() {
        // G.711 without concealment, 5 %: 95 * 5 / (5 + 4.3); with: 95 * 5 / (5 + 25.1).
        let bare = r(Conditions { loss: 0.05, ..PERFECT });
        assert!((r(PERFECT) - bare - 51.075).abs() < 0.001);
        let concealed = r(Conditions { loss: 0.05, codec: Impairment::G711_CONCEALED, ..PERFECT });
        assert!((r(PERFECT) - concealed - 15.781).abs() < 0.001);
        let clustered = r(Conditions { loss: 0.05, burst_ratio: 2.0, ..PERFECT });
        assert!((r(PERFECT) - clustered - 95.0 * 5.0 / (2.5 + 4.3)).abs() < 0.001);
    }

    #[test]
    fn delay_costs_little_up_to_177_ms_and_much_beyond() {
        // The known simplification (Cole and Rosenbluth): 0.024 d + 0.11 (d - 177.3) beyond 177.3 ms.
        for delay in [50u64, 100, 150, 200, 250, 300] {
            let cost = r(PERFECT) - r(Conditions { delay: Duration::from_millis(delay), ..PERFECT });
            let d = delay as f64;
            let simple = 0.024 * d + 0.11 * (d - 177.3).max(0.0);
            assert!((cost - simple).abs() < 1.6, "{delay} ms: {cost} and {simple}");
        }
    }

    #[test]
    fn nothing_leaves_the_scale() {
        for loss in [0.0, 0.5, 1.0, 7.0, -1.0] {
            for delay in [0, 1, 99, 101, 5_000, 3_600_000] {
                let delay = Duration::from_millis(delay);
                let score = Score::of(&Conditions { delay, loss, burst_ratio: 0.0, codec: Impairment::OPUS });
                assert!((0.0..=93.3).contains(&score.r) && (1.0..=4.5).contains(&score.mos), "{score:?}");
            }
        }
    }
}
