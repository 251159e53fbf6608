//! What a line that was tried comes to.

use lienthong_proto::time::ADOPT_AHEAD_MILLIS_MAX;

use super::identity::set_the_clock;
use super::line::{Line, PortFault, Refusal, Said, TlsFault};
use super::{Finding, Text};

/// Clocks this far apart are as good as equal: the hub tells its own to the second.
const SKEW_MILLIS_FINE: u64 = 60_000;
const SKEW_MILLIS_LOW: u64 = SKEW_MILLIS_FINE + 1;

const NAME: &str = "name";
const PORT: &str = "port";
const PROXY: &str = "proxy";
const TLS: &str = "tls";
const HUB: &str = "hub";
const CLOCK: &str = "clock";

impl Line {
    /// A finding for each step that was tried; `excused` if the folder itself says why the hub refuses.
    #[must_use]
    pub fn judge(&self, excused: bool) -> Vec<Finding> {
        let mut found = vec![self.name()];
        if let Some(port) = &self.port {
            found.extend(self.port(port.as_ref().err()));
        }
        if let Some(tls) = &self.tls {
            found.push(self.tls(tls.as_ref().err()));
        }
        if let Some(said) = &self.said {
            found.push(if excused { known() } else { said.hub() });
            found.extend(said.clock());
        }
        found
    }

    fn first(&self) -> &str {
        self.proxy.as_deref().unwrap_or(&self.hub)
    }

    fn name(&self) -> Finding {
        let first = self.first();
        match &self.name {
            Ok(address) => Finding::ok(
                NAME,
                Text::new(
                    format!("{first} có địa chỉ {address}"),
                    format!("{first} has the address {address}"),
                ),
            ),
            Err(error) => Finding::fault(
                NAME,
                Text::new(
                    format!("không tìm thấy tên máy {first}"),
                    format!("the name {first} is not known"),
                ),
                Text::new(
                    format!("DNS không trả lời địa chỉ: {error}"),
                    format!("DNS gives no address: {error}"),
                ),
                self.name_next(),
            ),
        }
    }

    fn name_next(&self) -> Text {
        match (&self.proxy, &self.environment_proxy) {
            (Some(_), _) => Text::new(
                "kiểm tra cáp mạng và DNS (`getent hosts TÊN`); gõ sai tên proxy thì sửa khóa proxy (LIENTHONG_PROXY)",
                "check the cable and DNS (`getent hosts NAME`); if the proxy's name is misspelt, mend the key proxy (LIENTHONG_PROXY)",
            ),
            (None, Some(variable)) => uses_a_proxy(variable),
            (None, None) => Text::new(
                "kiểm tra cáp mạng và DNS (`getent hosts TÊN`); gõ sai tên thì ghi danh lại; hoặc thêm tên vào /etc/hosts",
                "check the cable and DNS (`getent hosts NAME`); if the name is misspelt, enrol by the right one; or add it to /etc/hosts",
            ),
        }
    }

    fn port(&self, fault: Option<&PortFault>) -> Vec<Finding> {
        let hub = &self.hub;
        let Some(fault) = fault else {
            let way = match &self.proxy {
                Some(proxy) => {
                    Text::new(format!("proxy {proxy} mở đường"), format!("the proxy {proxy} opens the way"))
                }
                None => Text::new("nối thẳng, không dùng proxy", "directly, without a proxy"),
            };
            let open = Text::new(format!("{hub} mở"), format!("{hub} is open"));
            return vec![Finding::ok(PROXY, way), Finding::ok(PORT, open)];
        };
        vec![match fault.of_proxy() {
            Some(told) => proxy_fault(fault, told),
            None => self.direct_fault(fault),
        }]
    }

    fn direct_fault(&self, fault: &PortFault) -> Finding {
        let hub = &self.hub;
        let at = self.name.as_ref().map(|address| format!(" ({address})")).unwrap_or_default();
        let what = Text::new(
            format!("không mở được kết nối tới {hub}{at}"),
            format!("no connection to {hub}{at} opens"),
        );
        let why = match fault {
            PortFault::Refused => Text::new(
                "máy đó từ chối: chương trình của tỉnh không chạy, hoặc sai cổng",
                "that machine refuses: the hub does not run, or the port is wrong",
            ),
            PortFault::Unreachable(error) => Text::new(
                format!("không có đường mạng tới đó: {error}"),
                format!("there is no way to it: {error}"),
            ),
            _ => Text::new(
                "không ai trả lời: thường là tường lửa chặn cổng này",
                "nobody answers: mostly a firewall that blocks this port",
            ),
        };
        let next = match (&self.environment_proxy, fault) {
            (Some(variable), _) => uses_a_proxy(variable),
            (None, PortFault::Unreachable(_)) => Text::new(
                "kiểm tra cáp, Wi-Fi, địa chỉ của máy này (`ip -br addr`) và đường ra (`ip route`); hỏi tỉnh địa chỉ trên có đúng không",
                "check the cable, Wi-Fi, this machine's address (`ip -br addr`) and its way out (`ip route`); ask the province whether the address above is right",
            ),
            (None, _) => Text::new(
                "hỏi tỉnh máy chủ có đang chạy không; nhờ quản trị mạng mở cổng này chiều ra, hoặc cho địa chỉ proxy (khóa proxy)",
                "ask the province whether the hub runs; have the network people open this port outwards, or name a proxy (key proxy)",
            ),
        };
        Finding::fault(PORT, what, why, next)
    }

    fn tls(&self, fault: Option<&TlsFault>) -> Finding {
        let hub = &self.hub;
        let Some(fault) = fault else {
            return Finding::ok(
                TLS,
                Text::new(format!("{hub} đúng là máy chủ của tỉnh"), format!("{hub} is the province's hub")),
            );
        };
        let what = Text::new(
            format!("kết nối mã hóa tới {hub} không được"),
            format!("no encrypted connection to {hub}"),
        );
        match fault {
            TlsFault::Stranger => Finding::fault(
                TLS,
                what,
                Text::new(
                    "máy trả lời không phải máy chủ đã ghi danh: địa chỉ khác, hoặc thiết bị chặn giữa để soi TLS",
                    "who answers is not the hub of enrolment: another address, or a box that opens TLS on its way",
                ),
                Text::new(
                    "nhờ quản trị mạng cho cổng này đi thẳng, không soi; nếu không có thiết bị như vậy: gọi tỉnh ngay",
                    "have the network people let this port pass unopened; if there is no such box: call the province at once",
                ),
            ),
            TlsFault::Name => Finding::fault(
                TLS,
                what,
                Text::new(
                    "giấy chứng nhận của máy chủ không có tên này",
                    "the hub's certificate does not have this name",
                ),
                Text::new(
                    "báo tỉnh: thêm tên vào máy chủ (`lienthong-hub certificate renew --name TÊN`), hoặc dùng đúng tên đã có",
                    "tell the province: add the name (`lienthong-hub certificate renew --name NAME`), or dial a name it has",
                ),
            ),
            TlsFault::Ended | TlsFault::NotBegun => Finding::fault(
                TLS,
                what,
                Text::new(
                    "theo đồng hồ máy này, giấy chứng nhận của máy chủ chưa hoặc không còn hiệu lực",
                    "by this clock the hub's certificate is not valid yet, or no more",
                ),
                set_the_clock(),
            ),
            TlsFault::Cut(error) => Finding::fault(
                TLS,
                what,
                Text::of(error),
                Text::new(
                    "cổng này có thể không phải của máy chủ, hoặc thiết bị mạng cắt TLS 1.3: hỏi quản trị mạng",
                    "this port may not be the hub's, or a box cuts TLS 1.3: ask the network people",
                ),
            ),
        }
    }
}

fn uses_a_proxy(variable: &str) -> Text {
    Text::new(
        format!(
            "máy có {variable}: cơ quan dùng proxy; đặt khóa proxy = \"http://máy:cổng\" (hoặc LIENTHONG_PROXY)"
        ),
        format!(
            "{variable} is set here: the office uses a proxy; set the key proxy = \"http://host:port\" (or LIENTHONG_PROXY)"
        ),
    )
}

fn proxy_fault(fault: &PortFault, told: Text) -> Finding {
    let what = Text::new("không qua được proxy", "the proxy does not let this through");
    let next = match fault {
        PortFault::ProxyCredentials(_) => Text::new(
            "ghi tên:mật khẩu vào một tệp (chmod 600), đặt khóa proxy_credentials_file",
            "write user:password into a file (chmod 600), set the key proxy_credentials_file",
        ),
        PortFault::ProxyRefused(_) => Text::new(
            "nhờ quản trị mạng cho proxy mở CONNECT tới máy và cổng đó; 502–504 là proxy không tới được tỉnh",
            "have the network people allow CONNECT to that host and port; 502–504: the proxy does not reach the province",
        ),
        _ => Text::new(
            "sửa khóa proxy (LIENTHONG_PROXY), hoặc bỏ nếu không cần",
            "mend the key proxy (LIENTHONG_PROXY), or drop it",
        ),
    };
    Finding::fault(PROXY, what, told, next)
}

fn known() -> Finding {
    Finding::ok(HUB, Text::new("tỉnh trả lời", "the hub answers"))
}

impl Said {
    fn hub(&self) -> Finding {
        match &self.refusal {
            None => Finding::ok(HUB, Text::new("tỉnh nhận máy này", "the hub takes this node in")),
            Some(Refusal::Stranger(message)) => Finding::warning(
                HUB,
                Text::new("tỉnh không biết máy này", "the hub does not know this node"),
                Text::of(message),
                Text::new(
                    "máy chủ vừa được khôi phục thì máy tự giới thiệu lại; không thì gọi tỉnh",
                    "if the hub was restored the node introduces itself again; otherwise call the province",
                ),
            ),
            Some(Refusal::Refused(message)) => Finding::fault(
                HUB,
                Text::new("tỉnh từ chối máy này", "the hub refuses this node"),
                Text::of(message),
                Text::new(
                    "gọi tỉnh: máy đã bị thu hồi hoặc bị dừng",
                    "call the province: the node was revoked or fenced",
                ),
            ),
            Some(Refusal::Failed(message)) => Finding::warning(
                HUB,
                Text::new("tỉnh chưa trả lời được", "the hub could not answer"),
                Text::of(message),
                Text::new("thử lại sau ít phút", "try again in some minutes"),
            ),
        }
    }

    fn clock(&self) -> Option<Finding> {
        let (here, there) = (self.own_clock, self.hub_clock?);
        let apart = here.since(there).max(there.since(here));
        let behind = here < there;
        let (vi, en) = if behind { ("chậm", "behind") } else { ("nhanh", "ahead of") };
        let by = span(apart);
        let what = Text::new(
            format!("đồng hồ {vi} {} so với tỉnh ({})", by.vi, here.rfc3339()),
            format!("this clock is {} {en} the hub's ({})", by.en, here.rfc3339()),
        );
        Some(match apart {
            0..=SKEW_MILLIS_FINE => Finding::ok(CLOCK, Text::new("đồng hồ đúng", "the clock is right")),
            SKEW_MILLIS_LOW..=ADOPT_AHEAD_MILLIS_MAX => Finding::warning(
                CLOCK,
                what,
                Text::new("giờ của bản ghi sẽ sai theo", "the times of records will be wrong by it"),
                set_the_clock(),
            ),
            _ => Finding::fault(
                CLOCK,
                what,
                Text::new(
                    "tỉnh không tin giờ lệch quá 10 phút; giấy chứng nhận có thể bị coi là hết hạn",
                    "the province does not believe times more than 10 minutes off; certificates may count as ended",
                ),
                set_the_clock(),
            ),
        })
    }
}

/// How long, in the unit people would name.
fn span(millis: u64) -> Text {
    let minutes = millis.saturating_add(30_000) / 60_000;
    match minutes {
        0..120 => Text::new(format!("{minutes} phút"), format!("{minutes} minutes")),
        120..2_880 => Text::new(format!("{} giờ", minutes / 60), format!("{} hours", minutes / 60)),
        _ => Text::new(format!("{} ngày", minutes / 1_440), format!("{} days", minutes / 1_440)),
    }
}

#[cfg(test)]
mod tests {
    use lienthong_proto::time::UnixMillis;

    use super::super::Grade;
    use super::*;

    fn fine() -> Line {
        let now = UnixMillis(1_800_000_000_000);
        Line {
            hub: "hub.example:7443".to_owned(),
            proxy: None,
            environment_proxy: None,
            name: Ok("192.0.2.1".to_owned()),
            port: Some(Ok(())),
            tls: Some(Ok(())),
            said: Some(Said { refusal: None, hub_clock: Some(now), own_clock: now }),
        }
    }

    fn troubles(line: &Line) -> Vec<(&'static str, Grade)> {
        let found = line.judge(false);
        found.into_iter().map(|f| (f.check, f.grade)).filter(|(_, grade)| *grade != Grade::Ok).collect()
    }

    fn at_port(fault: PortFault) -> Line {
        Line { port: Some(Err(fault)), tls: None, said: None, ..fine() }
    }

    #[test]
    fn each_trouble_is_named_and_only_it() {
        assert!(troubles(&fine()).is_empty());
        let nameless = Line { name: Err("x".to_owned()), port: None, tls: None, said: None, ..fine() };
        assert_eq!(troubles(&nameless), [(NAME, Grade::Fault)]);
        assert_eq!(troubles(&at_port(PortFault::Refused)), [(PORT, Grade::Fault)]);
        assert_eq!(troubles(&at_port(PortFault::Silent)), [(PORT, Grade::Fault)]);
        for fault in [PortFault::Proxy, PortFault::ProxyCredentials, PortFault::ProxyRefused] {
            assert_eq!(troubles(&at_port(fault("x".to_owned()))), [(PROXY, Grade::Fault)]);
        }
        for fault in [TlsFault::Stranger, TlsFault::Name, TlsFault::Ended, TlsFault::Cut("x".to_owned())] {
            let line = Line { tls: Some(Err(fault)), said: None, ..fine() };
            assert_eq!(troubles(&line), [(TLS, Grade::Fault)]);
        }
    }

    #[test]
    fn a_proxy_of_the_environment_is_pointed_at() {
        let line = Line { environment_proxy: Some("HTTPS_PROXY".to_owned()), ..at_port(PortFault::Silent) };
        let found = line.judge(false).into_iter().find(|f| f.check == PORT);
        assert!(found.and_then(|f| f.next).is_some_and(|next| next.en.contains("HTTPS_PROXY")));
    }

    /// Goal: who mends a line is told where to look: at the proxy's name, the cable, or what the name leads to.
    #[test]
    fn what_to_do_fits_the_trouble() {
        let next = |line: Line| line.judge(false).into_iter().find_map(|f| f.next).map(|next| next.en);
        let nameless = Line { name: Err("x".to_owned()), port: None, tls: None, said: None, ..fine() };
        let misspelt = next(nameless.clone());
        assert!(misspelt.is_some_and(|text| text.contains("enrol by the right one")));
        let proxy = Line { proxy: Some("proxy.example:3128".to_owned()), ..nameless.clone() };
        assert!(next(proxy).is_some_and(|text| text.contains("LIENTHONG_PROXY")));
        let office = Line { environment_proxy: Some("HTTPS_PROXY".to_owned()), ..nameless };
        assert!(next(office).is_some_and(|text| text.contains("HTTPS_PROXY")));
        let no_way = at_port(PortFault::Unreachable("No route to host".to_owned()));
        assert!(no_way.judge(false).iter().any(|f| f.what.en.contains("192.0.2.1")));
        assert!(next(no_way).is_some_and(|text| text.contains("the cable")));
    }

    #[test]
    fn a_span_is_told_in_the_unit_people_name() {
        let told = |minutes: u64| span(minutes * 60_000).en;
        assert_eq!(
            [told(5), told(119), told(121), told(4_321)],
            ["5 minutes", "119 minutes", "2 hours", "3 days"]
        );
    }

    #[test]
    fn the_clock_is_held_against_the_hubs() {
        let at = |apart: u64, ahead: bool| {
            let there = UnixMillis(1_800_000_000_000);
            let here = UnixMillis(if ahead { there.0 + apart } else { there.0 - apart });
            let said = Said { refusal: None, hub_clock: Some(there), own_clock: here };
            troubles(&Line { said: Some(said), ..fine() })
        };
        for ahead in [true, false] {
            assert!(at(SKEW_MILLIS_FINE, ahead).is_empty());
            assert_eq!(at(SKEW_MILLIS_FINE + 1, ahead), [(CLOCK, Grade::Warning)]);
            assert_eq!(at(ADOPT_AHEAD_MILLIS_MAX, ahead), [(CLOCK, Grade::Warning)]);
            assert_eq!(at(ADOPT_AHEAD_MILLIS_MAX + 1, ahead), [(CLOCK, Grade::Fault)]);
        }
    }

    #[test]
    fn a_refusal_is_the_hubs_word() {
        let now = UnixMillis(1_800_000_000_000);
        let of = |refusal| Line {
            said: Some(Said { refusal: Some(refusal), hub_clock: None, own_clock: now }),
            ..fine()
        };
        let refused = of(Refusal::Refused("đã thu hồi · revoked".to_owned()));
        assert_eq!(troubles(&refused), [(HUB, Grade::Fault)]);
        assert!(refused.judge(true).iter().all(|f| f.grade == Grade::Ok), "the folder says so itself");
        assert_eq!(troubles(&of(Refusal::Stranger("x".to_owned()))), [(HUB, Grade::Warning)]);
        assert_eq!(troubles(&of(Refusal::Failed("x".to_owned()))), [(HUB, Grade::Warning)]);
    }
}
