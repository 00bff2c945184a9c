// SPDX-License-Identifier: GPL-2.0

//! Tests of `src/tracer/settings.rs` and its submodules, against lists that are searched linearly.

use std::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select, //
};

use crate::tracer::settings::{
    bpf,
    choice::{
        Families,
        Format,
        Hooks,
        Netns, //
    },
    devices::Devices,
    number::{
        Burst,
        PriorityValue, //
    },
    ports::Ports,
    prefixes::Prefixes,
    protocols::Protocols,
    sinks::{
        Sink,
        Sinks, //
    },
    List,
    Value, //
};

fn list<T: List>(text: &str) -> Result<T, String> {
    let mut list = T::EMPTY;
    list.read(text).map_err(|error| error.to_string())?;
    Ok(list)
}

fn list_text<T: List>(list: &T) -> String {
    let mut text = String::new();
    list.write(&mut text).unwrap();
    text
}

/// Returns the canonical form of a list, or the logged error.
fn canonical_list<T: List>(text: &str) -> Result<String, String> {
    list::<T>(text).map(|list| list_text(&list))
}

/// Returns the canonical form of a value, or the logged error.
fn canonical<T: Value>(text: &str) -> Result<String, String> {
    let value = T::parse(text).map_err(|error| error.to_string())?;
    let mut written = String::new();
    value.write(&mut written).unwrap();
    Ok(written)
}

fn accepts<T: Value>(text: &str, written: &str) {
    assert_eq!(canonical::<T>(text).as_deref(), Ok(written), "{text:?}");
    assert_eq!(
        canonical::<T>(written).as_deref(),
        Ok(written),
        "{text:?} again"
    );
}

fn refuses<T: Value>(text: &str, why: &str) {
    assert_eq!(canonical::<T>(text), Err(why.to_owned()), "{text:?}");
}

fn list_accepts<T: List>(text: &str, written: &str) {
    assert_eq!(
        canonical_list::<T>(text).as_deref(),
        Ok(written),
        "{text:?}"
    );
    assert_eq!(
        canonical_list::<T>(written).as_deref(),
        Ok(written),
        "{text:?} again"
    );
}

fn list_refuses<T: List>(text: &str, why: &str) {
    assert_eq!(canonical_list::<T>(text), Err(why.to_owned()), "{text:?}");
}

#[test]
fn words_are_taken_and_others_refused() {
    accepts::<Hooks>("output, prerouting\n", "prerouting,output");
    accepts::<Hooks>("all", "prerouting,input,forward,output,postrouting");
    refuses::<Hooks>("prerouting,ingress", "'ingress' is no hook point");
    refuses::<Hooks>("", "'' names no hook point");
    refuses::<Hooks>(
        "input,,output",
        "'input,,output' has nothing between two commas",
    );
    accepts::<Families>("inet", "inet");
    refuses::<Families>("ipv5", "'ipv5' is no family");
    refuses::<Families>(" ", "' ' names no family");
    accepts::<Netns>(" all ", "all");
    refuses::<Netns>(
        "blue",
        "'blue' is no choice of namespaces, which have no names here: with all, format=full tells them apart",
    );
    accepts::<Format>("nf_log", "nf_log");
    refuses::<Format>("json", "'json' is no format");
    refuses::<Format>("nflog", "'nflog' is a sink: sink=nflog:GROUP");
}

#[test]
fn upper_case_and_the_names_that_netfilter_has_are_taken() {
    for word in [
        "PREROUTING",
        "PRE_ROUTING",
        "nf_inet_pre_routing",
        "NF_IP_PRE_ROUTING",
    ] {
        accepts::<Hooks>(word, "prerouting");
    }
    accepts::<Hooks>("NF_IP6_LOCAL_OUT,LOCAL_IN", "input,output");
    accepts::<Hooks>("Forward,NF_INET_POST_ROUTING", "forward,postrouting");
    accepts::<Hooks>("ALL", "prerouting,input,forward,output,postrouting");
    refuses::<Hooks>("NF_INET_INGRESS", "'NF_INET_INGRESS' is no hook point");
    accepts::<Families>("IPv4", "ipv4");
    accepts::<Families>("ip6", "ipv6");
    accepts::<Families>("ipv4,ipv6", "inet");
    accepts::<Families>("ip6 , ip", "inet");
    accepts::<Families>("ipv4,ipv4", "ipv4");
    accepts::<Families>("NFPROTO_IPV6,inet", "inet");
    accepts::<Netns>("ALL", "all");
    accepts::<Format>("NF_LOG", "nf_log");
    accepts::<Sinks>("TRACE,Log,NFLOG:5", "log,trace,nflog:5");
    accepts::<Protocols>("TCP,Gre", "tcp,gre");
    accepts::<Protocols>("ALL", "all");
    accepts::<PriorityValue>("NF_IP_PRI_FIRST", "first");
    accepts::<PriorityValue>("NF_IP6_PRI_NAT_DST", "nat_dst");
    accepts::<PriorityValue>("NF_IP_PRI_CONNTRACK_CONFIRM", "last");
    accepts::<PriorityValue>("nf_ip_pri_raw-1", "raw-1");
    accepts::<Burst>("AUTO", "auto");
}

#[test]
fn what_is_to_be_left_out_is_refused_with_the_way_to_do_it() {
    let why = "excludes, and a list only includes: bpf= takes expressions such as 'not port 22'";
    refuses::<Hooks>("!input", &format!("'!input' {why}"));
    refuses::<Protocols>("!tcp", &format!("'!tcp' {why}"));
    list_refuses::<Ports>("22,!80", &format!("'!80' {why}"));
    list_refuses::<Prefixes>("!10.0.0.1", &format!("'!10.0.0.1' {why}"));
    list_refuses::<Devices>("!lo", &format!("'!lo' {why}"));
}

#[test]
fn what_is_in_force_without_a_word_is_what_the_documentation_says() {
    let written = |value: &dyn Fn(&mut String)| {
        let mut text = String::new();
        value(&mut text);
        text
    };
    assert_eq!(
        written(&|text| Hooks::DEFAULT.write(text).unwrap()),
        "prerouting,output"
    );
    assert_eq!(written(&|text| Protocols::TCP.write(text).unwrap()), "tcp");
    assert_eq!(
        written(&|text| PriorityValue::DEFAULT.write(text).unwrap()),
        "first+1"
    );
    assert!(Prefixes::EMPTY.is_empty() && Ports::EMPTY.is_empty() && Devices::EMPTY.is_empty());
    assert!(!list::<Ports>("0").unwrap().is_empty());
    assert!(bpf::ALLOWED.contains("tcpdump -y RAW -ddd"));
}

#[test]
fn protocols_are_named_or_numbered() {
    accepts::<Protocols>("47,17,tcp,6", "tcp,udp,gre");
    accepts::<Protocols>("igmp,ipencap,4,ospfigp,ipv6-icmp", "icmpv6,igmp,ipip,ospf");
    accepts::<Protocols>("ipip,94", "ipip,94");
    accepts::<Protocols>("sctp,icmpv6,icmp", "icmp,icmpv6,sctp");
    accepts::<Protocols>("tcp,all", "all");
    accepts::<Protocols>("0,255", "0,255");
    refuses::<Protocols>("256", "'256' is not from 0 to 255");
    refuses::<Protocols>("-1", "'-1' is not from 0 to 255");
    refuses::<Protocols>("http", "'http' is no protocol");
    refuses::<Protocols>(" ", "' ' names no protocol");

    let all_but_tcp: Vec<_> = (0..=255)
        .filter(|n| *n != 6)
        .map(|n: u8| n.to_string())
        .collect();
    let protocols = Protocols::parse(&all_but_tcp.join(",")).ok().unwrap();
    assert!((0..=255).all(|number| protocols.contain(number) == (number != 6)));
}

#[test]
fn numbers_and_priorities_are_taken_within_their_bounds() {
    accepts::<u32>("0", "0");
    accepts::<u32>("4294967295", "4294967295");
    refuses::<u32>("4294967296", "'4294967296' is not from 0 to 4294967295");
    refuses::<u32>("-1", "'-1' is not from 0 to 4294967295");
    refuses::<u32>("+1", "'+1' is no number");
    refuses::<u32>("10/s", "'10/s' is no number");
    refuses::<u32>("", "'' is no number");
    accepts::<Burst>("7", "7");
    accepts::<Burst>(" auto\n", "auto");
    refuses::<Burst>("much", "'much' is no number");
    accepts::<PriorityValue>("-2147483648", "first");
    accepts::<PriorityValue>("last", "last");
    accepts::<PriorityValue>("2147483647", "last");
    accepts::<PriorityValue>("raw+10", "raw+10");
    accepts::<PriorityValue>("raw+11", "-289");
    accepts::<PriorityValue>("filter-10", "filter-10");
    accepts::<PriorityValue>("filter-11", "-11");
    accepts::<PriorityValue>("-2147483647", "first+1");
    accepts::<PriorityValue>("last-10", "last-10");
    accepts::<PriorityValue>("2147483636", "2147483636");
    accepts::<PriorityValue>("nat_dst", "nat_dst");
    accepts::<PriorityValue>("dstnat", "nat_dst");
    accepts::<PriorityValue>("0", "filter");
    for text in [
        "last+1",
        "first-1",
        "2147483648",
        "-2147483649",
        "raw+4294967296",
    ] {
        refuses::<PriorityValue>(
            text,
            &format!("'{text}' is not from -2147483648 to 2147483647"),
        );
    }
    for text in ["raw+", "raw+-5", "-", "", "raw 5", "5 + raw", "nf_ip_pri_"] {
        refuses::<PriorityValue>(text, &format!("'{text}' is no priority"));
    }
    accepts::<PriorityValue>("raw + 5", "raw+5");
    accepts::<PriorityValue>("first+4294967295", "last");
    accepts::<PriorityValue>("+5", "filter+5");
}

#[test]
fn sinks_are_a_set_with_one_group_of_nflog() {
    accepts::<Sinks>("trace", "trace");
    accepts::<Sinks>(" nflog:0 ,log", "log,nflog:0");
    accepts::<Sinks>("nflog:65535,trace,log,trace", "log,trace,nflog:65535");
    accepts::<Sinks>("nflog:5,nflog:5", "nflog:5");
    refuses::<Sinks>("", "'' names no sink");
    refuses::<Sinks>("log,pcap", "'pcap' is no sink");
    refuses::<Sinks>("nflog", "'nflog' has no group: as in nflog:5");
    refuses::<Sinks>("nflog:", "'nflog:' has no number of a group");
    refuses::<Sinks>(
        "nflog:65536",
        "'nflog:65536' has a group that is not from 0 to 65535",
    );
    refuses::<Sinks>(
        "nf_log",
        "'nf_log' is a format of the log's lines: format=nf_log",
    );
    refuses::<Sinks>("nflog:1,nflog:2", "'nflog:2' is a second group");

    let sinks = Sinks::parse("nflog:9,trace").unwrap();
    assert_eq!(
        Sink::ALL.map(|sink| sinks.contain(sink)),
        [false, true, true]
    );
    assert_eq!(sinks.nflog_group(), Some(9));
    assert_eq!(Sinks::LOG.nflog_group(), None);
    assert!(sinks.set() < Sinks::SETS);
}

#[test]
fn prefixes_are_masked_and_merged() {
    list_accepts::<Prefixes>("", "");
    list_accepts::<Prefixes>("192.168.1.77/24", "192.168.1.0/24");
    list_accepts::<Prefixes>("10.1.2.3,10.0.0.0/8,fe80::1/10", "10.0.0.0/8,fe80::/10");
    list_accepts::<Prefixes>("::1,1.2.3.4,1.2.3.4/32,::1/128", "1.2.3.4,::1");
    list_accepts::<Prefixes>("0.0.0.0/0,::/0", "0.0.0.0/0,::/0");
    list_refuses::<Prefixes>("10.0.0.0/33", "'10.0.0.0/33' has more bits than IPv4's 32");
    list_refuses::<Prefixes>("::/129", "'::/129' has more bits than IPv6's 128");
    list_refuses::<Prefixes>(
        "10.0.0.0/",
        "'10.0.0.0/' has no number of bits behind the slash",
    );
    list_refuses::<Prefixes>(
        "10.0.0.0/+8",
        "'10.0.0.0/+8' has no number of bits behind the slash",
    );
    list_refuses::<Prefixes>("10.0.0", "'10.0.0' is no address");
    list_refuses::<Prefixes>("10.0.0.256", "'10.0.0.256' is no address");
    list_refuses::<Prefixes>("fe80::g", "'fe80::g' is no address");
    for (text, why) in [
        ("localhost", ", and names are not looked up"),
        ("10.0.0.1-10.0.0.9", ": of a range, its prefixes are wanted"),
        ("fe80::1%eth0", ": a zone is none of it, see iface="),
        (
            "10.0.0.1:80",
            ": ports have parameters of their own, see port=",
        ),
        (
            "[fe80::1]:80",
            ": ports have parameters of their own, see port=",
        ),
        ("any", ": for any, give nothing"),
        ("all", ": for any, give nothing"),
    ] {
        list_refuses::<Prefixes>(text, &format!("'{text}' is no address{why}"));
    }
    list_refuses::<Prefixes>("1.2.3.4,,", "'1.2.3.4,,' has nothing between two commas");

    let addresses = |count| {
        (0..count)
            .map(|n| format!("10.0.{n}.1"))
            .collect::<Vec<_>>()
    };
    assert!(list::<Prefixes>(&addresses(64).join(",")).is_ok());
    list_refuses::<Prefixes>(
        &addresses(65).join(","),
        "'10.0.64.1' is one more than the 64 of a family",
    );
}

#[test]
fn ports_are_sorted_and_merged() {
    list_accepts::<Ports>("80-90,22, 85 - 100", "22,80-100");
    list_accepts::<Ports>("0-65535", "0-65535");
    list_refuses::<Ports>("90-80", "'90-80' is a range upside down");
    list_refuses::<Ports>("65536", "'65536' is not from 0 to 65535");
    list_refuses::<Ports>("1-65536", "'1-65536' is not from 0 to 65535");
    list_refuses::<Ports>("1-2-3", "'1-2-3' is no port");
    list_refuses::<Ports>("http", "'http' is no port");
    list_refuses::<Ports>("-5", "'-5' has no start: ranges are such as 0-1023");
    list_refuses::<Ports>("1024-", "'1024-' has no end: ranges are such as 1024-65535");
    list_refuses::<Ports>("80:90", "'80:90' has a colon: ranges are such as 80-90");
    let ports = |count| {
        (0..count)
            .map(|n: u16| (2 * n).to_string())
            .collect::<Vec<_>>()
    };
    assert!(list::<Ports>(&ports(128).join(",")).is_ok());
    list_refuses::<Ports>(&ports(129).join(","), "'256' is one more than 128");
}

#[test]
fn devices_are_names_and_beginnings_of_names() {
    list_accepts::<Devices>("eth0,lo,eth0,wl+", "eth0,lo,wl+");
    list_refuses::<Devices>(
        "sixteen-letters0",
        "'sixteen-letters0' is longer than 15 characters",
    );
    list_accepts::<Devices>("fifteen-letter0+", "fifteen-letter0+");
    list_refuses::<Devices>("a/b", "'a/b' has a character that is not allowed");
    list_refuses::<Devices>("a b", "'a b' has a character that is not allowed");
    list_refuses::<Devices>(
        "eth0:1",
        "'eth0:1' has a colon, as no device has: an alias is an address of the device before it",
    );
    list_refuses::<Devices>(
        "eth*",
        "'eth*' has an asterisk: what stands for all that start so is +, at the end",
    );
    list_refuses::<Devices>("any", "'any' stands for no device: for any, give nothing");
    list_accepts::<Devices>("any+,allwinner0", "any+,allwinner0");
    let devices: Devices = list("eth0,wl+").unwrap();
    for (name, is_in) in [
        ("eth0", true),
        ("eth", false),
        ("eth01", false),
        ("wl", true),
        ("wlan0", true),
    ] {
        assert_eq!(devices.contain(name.as_bytes()), is_in, "{name}");
    }
    let names = |count| (0..count).map(|n| format!("d{n}")).collect::<Vec<_>>();
    assert!(list::<Devices>(&names(64).join(",")).is_ok());
    list_refuses::<Devices>(&names(65).join(","), "'d64' is one more than 64");
}

#[test]
fn bpf_text_is_read_as_tcpdump_and_iptables_write_it() {
    let read = |text: &str| -> Option<Result<Vec<bpf::Fields>, String>> {
        let program = bpf::parse(text)?;
        Some(
            program
                .map(|item| item.map_err(|error| error.to_string()))
                .collect(),
        )
    };
    let program = vec![(48, 0, 0, 0), (6, 0, 0, 4_294_967_295)];

    assert_eq!(read(" \n"), None);
    assert_eq!(
        read("2,48 0 0 0,6 0 0 4294967295"),
        Some(Ok(program.clone()))
    );
    assert_eq!(
        read("2\n48 0 0 0\n6 0 0 4294967295\n"),
        Some(Ok(program.clone()))
    );
    assert_eq!(read("2,48 0 0 0,6 0 0 4294967295,"), Some(Ok(program)));
    for (text, why) in [
        (
            "2,6 0 0 1",
            "'2' is not the number of instructions that follow",
        ),
        (
            "1.5,6 0 0 1",
            "'1.5' is not the number of instructions that follow",
        ),
        ("1,6 0 0", "'6 0 0' is no instruction of four numbers"),
        (
            "1,6 0 256 1",
            "'6 0 256 1' is no instruction of four numbers",
        ),
        (
            "1,6 0 0 1 2",
            "'6 0 0 1 2' is no instruction of four numbers",
        ),
        ("1,6 0 0 -1", "'6 0 0 -1' is no instruction of four numbers"),
    ] {
        assert_eq!(read(text), Some(Err(why.to_owned())), "{text:?}");
    }
}

#[test]
fn what_is_no_program_for_packets_at_the_hooks_is_refused_with_the_way_to_make_one() {
    let expression = "is an expression: bpf=\"$(tcpdump -y RAW -ddd EXPRESSION | tr '\\n' ,)\" makes a program of it";
    let printed = "is a program as -d or -dd prints it: it is wanted as -ddd does";
    let beside =
        "reads no byte of the packet: for inbound and outbound there is hooks, for ifindex iface";
    let ethernet =
        "asks for an EtherType, which packets at the hooks do not have: compile it with -y RAW";
    for (text, token, why) in [
        ("tcp port 80", "tcp port 80", expression),
        ("(tcp) and port 80", "(tcp) and port 80", expression),
        ("(000) ldh [12]", "(000) ldh [12]", printed),
        ("{ 0x28, 0, 0, 0xc }", "{ 0x28, 0, 0, 0xc }", printed),
        // `poff`, as a word, half a word and a byte; the network header's first byte, and a nibble
        // of it.
        ("2,32 0 0 4294963252,6 0 0 1", "32 0 0 4294963252", beside),
        ("2,40 0 0 4294963252,6 0 0 1", "40 0 0 4294963252", beside),
        ("2,48 0 0 4294963252,6 0 0 1", "48 0 0 4294963252", beside),
        ("2,48 0 0 4293918720,6 0 0 1", "48 0 0 4293918720", beside),
        ("2,48 0 0 4292870144,6 0 0 1", "48 0 0 4292870144", beside),
        ("2,177 0 0 4293918720,6 0 0 1", "177 0 0 4293918720", beside),
        ("2,177 0 0 4294963208,6 0 0 1", "177 0 0 4294963208", beside),
        // `inbound` and `ifindex 1`, by tcpdump.
        (
            "4,40 0 0 4294963204,21 0 1 4,6 0 0 0,6 0 0 262144",
            "40 0 0 4294963204",
            beside,
        ),
        (
            "4,32 0 0 4294963208,21 0 1 1,6 0 0 262144,6 0 0 0",
            "32 0 0 4294963208",
            beside,
        ),
        // `tcp port 80` on Ethernet, `ip` on Linux' two cooked headers.
        (
            "20,40 0 0 12,21 0 6 34525,48 0 0 20",
            "21 0 6 34525",
            ethernet,
        ),
        ("4,40 0 0 14,21 0 1 2048,6 0 0 1", "21 0 1 2048", ethernet),
        ("4,40 0 0 0,21 0 1 2048,6 0 0 1", "21 0 1 2048", ethernet),
        // `less 2000 and tcp` on Ethernet starts with the length.
        (
            "5,128 0 0 0,37 2 0 2000,40 0 0 12,21 0 1 2048,6 0 0 1",
            "21 0 1 2048",
            ethernet,
        ),
        (",1,6 0 0 0", "1", "is no instruction of four numbers"),
        (",", "", "is not the number of instructions that follow"),
    ] {
        let found = bpf::parse(text).unwrap().find_map(Result::err).unwrap();
        assert_eq!(found.to_string(), format!("'{token}' {why}"), "{text}");
    }
    for text in [
        // `greater 100`, and `tcp[-1] = 2`, by tcpdump.
        "4,128 0 0 0,53 0 1 100,6 0 0 262144,6 0 0 0",
        "3,80 0 0 4294967295,21 0 1 2,6 0 0 262144",
        // Half of an address, by hand; and the same two instructions, but not in sequence.
        "3,40 0 0 12,21 0 1 49320,6 0 0 1",
        "4,40 0 0 12,48 0 0 0,21 0 1 2048,6 0 0 1",
    ] {
        assert!(bpf::parse(text).unwrap().all(|it| it.is_ok()), "{text}");
    }
}

#[test]
fn nobody_forges_a_line_or_makes_a_long_one_by_what_is_refused() {
    refuses::<Format>("a\nb\u{e9}\u{1b}", "'a\\x0ab\\xc3\\xa9\\x1b' is no format");
    let long = "x".repeat(4000);
    refuses::<Format>(&long, &format!("'{}...' is no format", "x".repeat(40)));
}

/// A prefix of the standard library's types.
#[derive(Clone, Copy, Debug)]
struct Prefix(IpAddr, u32);

impl Prefix {
    fn has(self, address: IpAddr) -> bool {
        match (self.0, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u64::from(own.to_bits()) ^ u64::from(other.to_bits())) >> (32 - self.1) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let different = own.to_bits() ^ other.to_bits();
                self.1 == 0 || different >> (128 - self.1) == 0
            }
            _ => false,
        }
    }
}

/// Returns a strategy for addresses that are often close to each other.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = vec(select(vec![0_u8, 1, 10, 127, 128, 255]), 4);
    let v6 = vec(select(vec![0_u8, 1, 0x80, 0xfe, 0xff]), 16);

    prop_oneof![
        v4.prop_map(|bytes| Ipv4Addr::from(*bytes.first_chunk::<4>().unwrap()).into()),
        v6.prop_map(|bytes| Ipv6Addr::from(*bytes.first_chunk::<16>().unwrap()).into()),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    address().prop_flat_map(|address| {
        let bits = if address.is_ipv4() { 32_u32 } else { 128 };
        (0..=bits).prop_map(move |bits| Prefix(address, bits))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_list_of_prefixes_holds_what_one_of_them_holds(
        prefixes in vec(prefix(), 1..40),
        addresses in vec(address(), 50),
    ) {
        let text: Vec<_> = prefixes.iter().map(|Prefix(address, bits)| format!("{address}/{bits}")).collect();
        let ours: Prefixes = list(&text.join(",")).unwrap();

        for address in addresses.into_iter().chain(prefixes.iter().map(|prefix| prefix.0)) {
            let theirs = prefixes.iter().any(|prefix| prefix.has(address));
            prop_assert_eq!(ours.contain(address), theirs, "{}", address);
        }
        prop_assert_eq!(canonical_list::<Prefixes>(&list_text(&ours)), Ok(list_text(&ours)));
    }

    #[test]
    fn a_list_of_ports_holds_what_one_of_the_ranges_holds(
        ranges in vec((0..200_u16, 0..20_u16), 1..60),
    ) {
        let text: Vec<_> = ranges.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        let ours: Ports = list(&text.join(",")).unwrap();

        for port in 0..250 {
            let theirs = ranges.iter().any(|(first, more)| (*first..=first + more).contains(&port));
            prop_assert_eq!(ours.contain(port), theirs, "{}", port);
        }
        prop_assert_eq!(canonical_list::<Ports>(&list_text(&ours)), Ok(list_text(&ours)));
    }

    #[test]
    fn whatever_is_taken_is_taken_again_as_it_was_written(text in "[-+a-z0-9_,/.: \n]{0,60}") {
        for canonical in [
            canonical::<Hooks>, canonical::<Families>, canonical::<Netns>, canonical::<Format>,
            canonical::<Protocols>, canonical::<u32>, canonical::<Burst>, canonical::<PriorityValue>,
            canonical::<Sinks>,
            canonical_list::<Prefixes>, canonical_list::<Ports>, canonical_list::<Devices>,
        ] {
            if let Ok(written) = canonical(&text) {
                prop_assert_eq!(canonical(&written), Ok(written));
            }
        }
    }
}
