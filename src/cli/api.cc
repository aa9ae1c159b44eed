#include "cli/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"

namespace tributary::cli {
namespace {

constexpr std::string_view kDefaultUrl = "http://127.0.0.1:8080";
constexpr std::size_t kPageEntries = 1000;
constexpr std::size_t kPlainMessageBytesMax = 200;

using nlohmann::json;

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool IsUnreserved(char c) {
  const char l = Lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
         c == '~';
}

std::string Variable(const config::Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string Field(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string_view ApiAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (std::ranges::equal(key, name, {}, Lower, Lower)) return value;
  }
  return {};
}

std::string MessageOf(const ApiAnswer& answer) {
  std::string status = "the server answered " + std::to_string(answer.status);
  const json body = json::parse(answer.body, nullptr, false);
  if (body.is_object()) {
    for (const char* name : {"message", "error"}) {
      if (const std::string text = Field(body, name); !text.empty())
        return text + " (" + status + ")";
    }
  }
  if (answer.body.empty()) return status;
  return status + ": " + answer.body.substr(0, kPlainMessageBytesMax);
}

Result<std::string> CallForBody(Api& api, const ApiCall& call) {
  TRY_ASSIGN(ApiAnswer answer, api.Call(call));
  if (answer.status >= 200 && answer.status < 300) return std::move(answer.body);
  const ErrorCode code = answer.status == 404 ? ErrorCode::kNotFound : ErrorCode::kInvalid;
  return Fail(code, MessageOf(answer));
}

std::string WithQuery(const std::string& path, std::string_view name, std::string_view value) {
  const char* const joint = path.find('?') == std::string::npos ? "?" : "&";
  return path + joint + std::string(name) + "=" + EncodePathPart(value);
}

Result<std::vector<std::string>> ListAll(Api& api, const std::string& path,
                                         std::size_t entries_max) {
  std::vector<std::string> all;
  std::string cursor;
  for (std::size_t pages = 0; pages < kPagesMax; ++pages) {
    ApiCall call;
    call.path =
        WithQuery(path, "limit", std::to_string(std::min(kPageEntries, entries_max - all.size())));
    if (!cursor.empty()) call.path += "&cursor=" + EncodePathPart(cursor);
    TRY_ASSIGN(const std::string body, CallForBody(api, call));
    const auto page = nlohmann::ordered_json::parse(body, nullptr, false);
    if (!page.is_object() || !page.contains("data") || !page["data"].is_array()) {
      return Fail(ErrorCode::kInternal,
                  "the server's list is not as it should be: is it Tributary?");
    }
    for (const auto& entry : page["data"]) all.push_back(entry.dump());
    if (all.size() >= entries_max) return all;
    const auto next = page.find("next_cursor");
    if (next == page.end() || !next->is_string()) return all;
    cursor = next->get<std::string>();
  }
  return Fail(ErrorCode::kTooLarge,
              "the list has more than " + std::to_string(kPagesMax) + " pages");
}

void ApiOptions::Describe(Arguments& a) {
  a.Option("--url", url, "URL", "The server (TRIBUTARY_URL, or " + std::string(kDefaultUrl) + ").");
  a.Option("--token", token, "TOKEN", "Access token (TRIBUTARY_TOKEN).");
  a.Flag("--json", json, "Answers with JSON.");
}

ApiTarget ApiOptions::Target(const config::Environment& environment) const {
  ApiTarget target;
  target.url = url.value_or(Variable(environment, "TRIBUTARY_URL"));
  if (target.url.empty()) target.url = kDefaultUrl;
  target.token = token.value_or(Variable(environment, "TRIBUTARY_TOKEN"));
  return target;
}

std::string EncodePathPart(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const bool dots = text == "." || text == "..";  // alone they would be steps in the tree
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(c) && !dots) {
      out += c;
    } else {
      out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return out;
}

Result<std::string> AllowanceFor(std::string_view url) {
  const auto wrong = [](const char* what) {
    return Fail(ErrorCode::kInvalid, "the URL " + std::string(what));
  };
  const std::size_t scheme = url.find("://");
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return wrong("must begin with http:// or https://");
  }
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) return wrong("must not have a user name in it");
  if (host.starts_with('[')) {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return wrong("has a '[' without its ']'");
    return std::string(host.substr(1, close - 1)) + "/128";
  }
  host = host.substr(0, host.find(':'));
  if (host.empty()) return wrong("names no host");
  const bool ipv4 = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return std::string(host) + (ipv4 ? "/32" : "");
}

}  // namespace tributary::cli
