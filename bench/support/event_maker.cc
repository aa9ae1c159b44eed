#include "bench/support/event_maker.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "bench/support/clock.h"
#include "bench/support/die.h"

namespace tributary::bench {
namespace {

using Words = std::string_view;

constexpr std::array<Words, 24> kEventNames = {"Order Completed",
                                               "Product Viewed",
                                               "Product Added",
                                               "Product Removed",
                                               "Cart Viewed",
                                               "Checkout Started",
                                               "Checkout Step Viewed",
                                               "Payment Info Entered",
                                               "Coupon Applied",
                                               "Products Searched",
                                               "Product List Viewed",
                                               "Product Clicked",
                                               "Promotion Viewed",
                                               "Promotion Clicked",
                                               "Wishlist Added",
                                               "Product Shared",
                                               "Product Reviewed",
                                               "Signed Up",
                                               "Signed In",
                                               "Subscription Renewed",
                                               "Newsletter Accepted",
                                               "Support Chat Opened",
                                               "Video Played",
                                               "Article Completed"};
constexpr std::array<Words, 12> kSections = {"/shop",    "/shop/shoes", "/shop/coats", "/cart",
                                             "/account", "/blog",       "/search",     "/deals",
                                             "/help",    "/checkout",   "/stores",     "/gifts"};
constexpr std::array<Words, 10> kTitles = {
    "Spring collection",    "Winter coats and jackets", "Your cart",   "Your account",
    "How to choose a tent", "Search results",           "Daily deals", "Help and contact",
    "Running shoes",        "Gifts for gardeners"};
constexpr std::array<Words, 8> kReferrers = {"",
                                             "",
                                             "https://www.google.com/",
                                             "https://duckduckgo.com/",
                                             "https://news.partner.example/spring-offers",
                                             "http://www.shop.example/",
                                             "http://www.shop.example/cart",
                                             "https://l.instagram.com/"};
constexpr std::array<Words, 6> kAgents = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
    "Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"};
constexpr std::array<Words, 8> kLocales = {"en-US", "en-GB", "de-DE", "fr-FR",
                                           "es-ES", "nl-NL", "ja-JP", "pt-BR"};
constexpr std::array<Words, 6> kTimezones = {"UTC",        "Europe/Berlin",    "Europe/Paris",
                                             "Asia/Tokyo", "America/New_York", "America/Sao_Paulo"};
constexpr std::array<Words, 5> kSources = {"newsletter", "google", "facebook", "partner", "bing"};
constexpr std::array<Words, 4> kMediums = {"email", "cpc", "social", "affiliate"};
constexpr std::array<Words, 6> kCampaigns = {"spring",      "black_friday", "welcome_series",
                                             "winter_sale", "loyalty",      "back_to_school"};
constexpr std::array<Words, 4> kCurrencies = {"EUR", "USD", "GBP", "JPY"};
constexpr std::array<Words, 16> kFirstNames = {"john", "maria", "wei",  "fatima", "lars", "chloe",
                                               "omar", "yuki",  "ana",  "peter",  "nina", "raj",
                                               "emma", "tomas", "aiko", "zoe"};
constexpr std::array<Words, 8> kMailHosts = {"example.com",      "example.org",   "mail.example",
                                             "post.example.net", "inbox.example", "example.net",
                                             "corp.example",     "web.example"};
constexpr std::array<Words, 32> kNoteWords = {
    "soft",  "light",   "cotton", "blue",  "warm",    "recycled", "classic", "large",
    "small", "durable", "summer", "night", "leather", "trail",    "urban",   "garden",
    "folds", "washes",  "easily", "with",  "without", "pockets",  "zip",     "hood",
    "for",   "long",    "walks",  "rainy", "days",    "and",      "travel",  "daily"};

template <size_t n>
Words Pick(const std::array<Words, n>& words, Random& random) {
  return words[random.Below(n)];
}

// Writes one event; remembers the places of what is patched at each sending.
class EventWriter {
 public:
  EventWriter(SentAt sent_at, Random& random) : sent_at_(sent_at), random_(random) {}

  // `note_bytes` of free text bring the event to its size.
  EventTemplate Write(size_t note_bytes) {
    Text("{\"timestamp\":\"");
    out_.timestamp_at = Blank(WallStamp::kBytes);
    Text("\",\"integrations\":{},\"event\":\"", Pick(kEventNames, random_));
    Text("\",\"type\":\"track\",\"properties\":{");
    WriteProperties(note_bytes);
    Text("},\"context\":{");
    WriteContext();
    Text("},\"messageId\":\"");
    out_.message_id_at = Blank(kUuidBytes);
    WriteIdentity();
    if (sent_at_ == SentAt::kInEvent) {
      Text("\",\"sentAt\":\"");
      out_.sent_at_at = Blank(WallStamp::kBytes);
    }
    Text("\"}");
    return std::move(out_);
  }

 private:
  template <typename... Parts>
  void Text(const Parts&... parts) {
    ((out_.json += parts), ...);
  }

  size_t Blank(size_t bytes) {
    out_.json.append(bytes, '0');
    return out_.json.size() - bytes;
  }

  std::string Number(uint64_t below) { return std::to_string(random_.Below(below)); }

  std::string Price() { return Number(200) + "." + std::to_string(10 + random_.Below(90)); }

  void WriteProperties(size_t note_bytes) {
    Text("\"order_id\":\"o-", Number(10'000'000), "\",\"revenue\":", Price(), ",\"currency\":\"",
         Pick(kCurrencies, random_), "\",\"products\":[");
    const uint64_t products = random_.Below(3);
    for (uint64_t i = 0; i < products; ++i) {
      Text(i == 0 ? "" : ",", "{\"product_id\":\"p", Number(100'000), "\",\"quantity\":", Number(9),
           "}");
    }
    Text("]");
    if (note_bytes > 0) Text(",\"note\":\"", Note(note_bytes), "\"");
  }

  std::string Note(size_t bytes) {
    std::string note;
    while (note.size() < bytes) {
      note += Pick(kNoteWords, random_);
      note += ' ';
    }
    note.resize(bytes);
    return note;
  }

  void WriteContext() {
    const Words section = Pick(kSections, random_);
    const std::string path = std::string(section) + "/" + Number(5000) + ".html";
    const Words source = Pick(kSources, random_);
    const Words medium = Pick(kMediums, random_);
    const Words campaign = Pick(kCampaigns, random_);
    std::string search;
    if (random_.Below(4) == 0) {
      search.append("?utm_source=").append(source).append("&utm_medium=").append(medium);
    }
    Text("\"page\":{\"path\":\"", path, "\",\"referrer\":\"", Pick(kReferrers, random_),
         "\",\"search\":\"", search, "\",\"title\":\"", Pick(kTitles, random_),
         "\",\"url\":\"http://www.shop.example", path, search, "\"},\"userAgent\":\"",
         Pick(kAgents, random_), "\",\"locale\":\"", Pick(kLocales, random_),
         "\",\"library\":{\"name\":\"analytics.js\",\"version\":\"next-1.84.3\"}");
    if (!search.empty()) {
      Text(",\"campaign\":{\"source\":\"", source, "\",\"medium\":\"", medium, "\",\"name\":\"",
           campaign, "\"}");
    }
    Text(",\"timezone\":\"", Pick(kTimezones, random_), "\"");
  }

  // Two thirds of the people are known; everybody has an anonymous id.
  void WriteIdentity() {
    if (random_.Below(3) != 0) {
      Text("\",\"userId\":\"", Pick(kFirstNames, random_), ".", Number(1'000'000), "@",
           Pick(kMailHosts, random_));
    }
    Text("\",\"anonymousId\":\"", MakeUuid(random_));
  }

  SentAt sent_at_;
  Random& random_;
  EventTemplate out_;
};

size_t BytesOf(const std::vector<EventTemplate>& events) {
  size_t bytes = 0;
  for (const EventTemplate& event : events) bytes += event.json.size();
  return bytes;
}

}  // namespace

std::vector<EventTemplate> MakeEvents(size_t count, SentAt sent_at, Random& random) {
  constexpr size_t kTrialEvents = 4096;
  constexpr size_t kNoteField = std::string_view(",\"note\":\"\"").size();
  size_t bare = 0;
  for (size_t i = 0; i < kTrialEvents; ++i) {
    bare += EventWriter(sent_at, random).Write(0).json.size();
  }
  bare = bare / kTrialEvents + kNoteField;
  if (bare + 1 >= kEventBytes) Die("events without their note are already too large");

  // The note's length is drawn so that its mean fills the gap; each draw also takes back a part of
  // what the sum has drifted, so that the mean of even a few hundred events is exact.
  const auto gap = static_cast<int64_t>(kEventBytes - bare);
  std::vector<EventTemplate> events;
  int64_t drift = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto drawn = static_cast<int64_t>(random.Below(static_cast<uint64_t>(2 * gap)));
    const int64_t note = std::clamp(drawn + drift / 8, int64_t{1}, 3 * gap);
    events.push_back(EventWriter(sent_at, random).Write(static_cast<size_t>(note)));
    drift += static_cast<int64_t>(kEventBytes) - static_cast<int64_t>(events.back().json.size());
  }
  const size_t mean = (BytesOf(events) + count / 2) / count;
  if (count >= 1000 && (mean > kEventBytes + 1 || mean + 1 < kEventBytes)) {
    Die("events average " + std::to_string(mean) + " bytes, not " + std::to_string(kEventBytes));
  }
  return events;
}

}  // namespace tributary::bench
