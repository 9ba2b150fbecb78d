//! What holds for every file and every sound.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Encoding, Law, Resampler, Wav, WavWriter, dtmf, resample};

fn encoding() -> impl Strategy<Value = Encoding> {
    use Encoding::{G711, Pcm8, Pcm16};
    prop::sample::select(vec![Pcm8, Pcm16, G711(Law::A), G711(Law::Mu)])
}

proptest! {
    #[test]
    fn no_file_panics(bytes in vec(any::<u8>(), 0..200), at in 0..60usize, byte in any::<u8>()) {
        let _ = Wav::parse(&bytes);
        let mut file = WavWriter::file(Encoding::Pcm16, 2, 8000, &[1, 2, 3, 4, 5, 6, 7, 8]);
        file[at] = byte;
        let _ = Wav::parse(&file).map(|wav| (wav.mono(), wav.channel(1)));
        file.truncate(usize::from(byte));
        let _ = Wav::parse(&file);
    }

    #[test]
    fn a_file_is_read_as_it_was_written(
        encoding in encoding(),
        (channels, rate) in (1..3u16, 4_000..192_001u32),
        samples in vec(any::<i16>(), 0..100),
    ) {
        let frames = &samples[..samples.len() / usize::from(channels) * usize::from(channels)];
        let once = Wav::parse(&WavWriter::file(encoding, channels, rate, frames)).unwrap();
        prop_assert_eq!((once.rate, once.channels, once.encoding), (rate, channels, encoding));
        prop_assert_eq!(once.samples.len(), frames.len());
        let twice = Wav::parse(&WavWriter::file(encoding, channels, rate, &once.samples)).unwrap();
        prop_assert_eq!(&twice, &once);
        if encoding == Encoding::Pcm16 {
            prop_assert_eq!(once.samples, frames);
        }
    }

    #[test]
    fn any_sound_at_any_rate_keeps_its_length(
        samples in vec(any::<i16>(), 0..2000),
        from in prop::sample::select(vec![8_000u32, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000]),
        to in prop::sample::select(vec![8_000u32, 16_000, 48_000]),
    ) {
        let out = resample(&samples, from, to);
        prop_assert_eq!(out.len() as u64, samples.len() as u64 * u64::from(to) / u64::from(from));
    }

    #[test]
    fn a_stream_in_any_pieces_is_the_same_stream(
        pieces in vec(vec(any::<i16>(), 0..300), 0..10),
        (from, to) in prop::sample::select(vec![(8_000u32, 16_000u32), (48_000, 8_000), (44_100, 8_000)]),
    ) {
        let whole = Resampler::new(from, to).process(&pieces.concat());
        let mut resampler = Resampler::new(from, to);
        let parts: Vec<i16> = pieces.iter().flat_map(|piece| resampler.process(piece)).collect();
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn numbers_are_heard_at_any_place_and_speed(
        digits in "[0-9*#A-D]{1,8}",
        (before, tone, pause) in (0..400usize, 360..1000usize, 360..1000usize),
        shift in 0..4u32,
    ) {
        let mut sound = vec![0; before];
        digits.chars().for_each(|digit| sound.extend(dtmf::sound(digit, 8000, tone, pause).unwrap()));
        sound.iter_mut().for_each(|sample| *sample >>= shift);
        let mut detector = dtmf::Detector::new(8000);
        prop_assert_eq!(detector.hear(&sound).into_iter().collect::<String>(), digits);
    }
}
