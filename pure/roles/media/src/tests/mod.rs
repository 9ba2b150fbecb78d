mod fencing;
mod playing;
mod relaying;
mod stage;
mod surviving;
mod telling;
