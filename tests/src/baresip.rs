use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::peer::Peer;
use crate::place::Place;
use crate::sound::write_wav;

/// A baresip with a voice from a file and an ear into another.
#[derive(Debug)]
pub struct Baresip {
    peer: Option<Peer>,
    folder: PathBuf,
}

impl Baresip {
    /// Starts one that registers as `user` from `port` of the peers' address and speaks `voice`. With
    /// `dial` it calls that as soon as it runs; without, it answers whoever calls.
    pub fn start(place: &Place, user: &str, port: u16, voice: &[i16], dial: Option<&str>) -> Baresip {
        let folder = place.folder().join(format!("baresip-{user}"));
        std::fs::create_dir_all(&folder).expect("a folder of its own");
        write_wav(&folder.join("voice.wav"), voice);
        let (address, path) = (place.address(), folder.display());
        let config = format!(
            "poll_method epoll\nsip_listen {address}:{port}\nnet_interface {address}\n\
             audio_source aufile,{path}/voice.wav\naudio_player none,none\nsnd_path {path}\n\
             audio_alert aufile,/dev/null\nausrc_srate 8000\nauplay_srate 8000\n\
             rtp_ports {0}-{1}\nrtp_timeout 0\nmodule_path /usr/lib/baresip/modules\nmodule account.so\n\
             module g711.so\nmodule aufile.so\nmodule sndfile.so\nmodule_app menu.so\n",
            port + 1000,
            port + 1100
        );
        std::fs::write(folder.join("config"), config).expect("its configuration");
        let answer = if dial.is_some() { "manual" } else { "auto" };
        let account = format!(
            "<sip:{user}@test.example>;auth_user={user};auth_pass=secret-{user};outbound=\"sip:{}\";\
             answermode={answer};regint=60\n",
            place.sip()
        );
        std::fs::write(folder.join("accounts"), account).expect("its account");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder);
        if let Some(dial) = dial {
            command.arg("-e").arg(format!("/dial sip:{dial}@test.example"));
        }
        let peer = Peer::start(&format!("baresip-{user}"), command, place.folder());
        Baresip { peer: Some(peer), folder }
    }

    /// Hangs up by ending in good order, and gives what it heard.
    pub fn finish(mut self) -> Vec<i16> {
        if let Some(mut peer) = self.peer.take() {
            peer.signal(libc::SIGINT);
            peer.ended(Duration::from_secs(5));
        }
        self.heard()
    }

    /// What it has heard so far, 16-bit samples. Whenever its sound begins anew it writes another file.
    pub fn heard(&self) -> Vec<i16> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        files.sort();
        let samples = |path: &PathBuf| {
            let file = std::fs::read(path).unwrap_or_default();
            let pairs = file.get(44..).unwrap_or_default().chunks_exact(2);
            pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>()
        };
        files.iter().flat_map(samples).collect()
    }
}
