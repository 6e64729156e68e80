//! Signals that a server gets by mistake, or for something that it does not do, end it no more than they should.

use support::machine::Machine;

#[test]
fn a_signal_without_a_meaning_is_ignored() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let token = server.new_session();
    for signal in
        ["-USR1", "-USR2", "-PIPE", "-ALRM", "-VTALRM", "-PROF", "-IO", "-PWR", "-XFSZ", "-WINCH", "-URG"]
    {
        server.signals(signal);
        assert!(server.session_is_live(&token), "{signal}");
    }
    server.stops();
}
