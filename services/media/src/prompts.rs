use std::fs;
use std::path::Path;

use media::{Sounds, Voice};

/// What is compiled in.
const BUILT_IN: [(&str, &[u8]); 1] =
    [("welcome", include_bytes!("../../../assets/prompts/welcome.wav").as_slice())];

/// Digits, the prompts that are built in, and those of a folder. A file that can't be played is passed over,
/// and said.
pub(crate) fn load(folder: Option<&Path>) -> Sounds {
    let mut sounds = Sounds::new();
    for (name, file) in BUILT_IN {
        teach(&mut sounds, name, file);
    }
    let Some(folder) = folder else { return sounds };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the prompts can't be read");
            return sounds;
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if !path.extension().is_some_and(|it| it.eq_ignore_ascii_case("wav")) {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|it| it.to_str()) else { continue };
        match fs::read(&path) {
            Ok(file) => teach(&mut sounds, name, &file),
            Err(error) => tracing::warn!(prompt = %path.display(), %error, "a prompt can't be read"),
        }
    }
    sounds
}

fn teach(sounds: &mut Sounds, name: &str, file: &[u8]) {
    match Voice::from_wav(file) {
        Ok(voice) => sounds.teach(name, voice),
        Err(error) => tracing::warn!(prompt = name, %error, "a prompt can't be played"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_is_built_in_and_a_folder_adds_its_own() {
        let folder = std::env::temp_dir().join(format!("strowger-prompts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("closed.wav"), BUILT_IN[0].1).unwrap();
        fs::write(folder.join("broken.wav"), b"no sound").unwrap();
        fs::write(folder.join("notes.txt"), b"no prompt").unwrap();
        let sounds = load(Some(&folder));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(sounds.names().collect::<Vec<_>>(), ["closed", "welcome"]);
    }
}
