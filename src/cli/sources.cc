// tributary sources: the sources of a running server, and the write keys that open them.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/assignments.h"
#include "cli/escape.h"
#include "config/json_text.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kSourcesPath = "/api/v1/sources";

std::string SourceStatus(const ordered_json& source) {
  std::string status = Cell(source, "status");
  if (!status.empty()) return status;
  return Cell(source, "enabled") == "false" ? "off" : "on";
}

std::string KeysCell(const ordered_json& source) {
  const auto keys = source.find("write_keys");
  return keys != source.end() && keys->is_array() ? std::to_string(keys->size()) : "";
}

class Sources final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.Verb("list", "Lists them.", Calls(&Sources::List));
    Named(a, "show", "Shows one.", &Sources::Show);
    Arguments& create =
        a.Verb("create", "Makes one, and shows its write key.", Calls(&Sources::Create));
    create.Positional("NAME", name_, "Its name.");
    create.Option("--set", assignments_, "OPTION=VALUE", "An option, such as browser=true.");
    Named(a, "set", "Changes options: set NAME browser=true.", &Sources::Set)
        .Positionals("OPTION=VALUE", assignments_, "null is the default.");
    Named(a, "delete", "Removes one; its events stay.", &Sources::Delete);
    DescribeKeys(a.Group("keys", "The write keys of a source."));
  }

 private:
  using Method = Result<std::string> (Sources::*)(Context&, Api&);

  Arguments& Named(Arguments& a, const std::string& verb, const std::string& help, Method method) {
    Arguments& arguments = a.Verb(verb, help, Calls(method));
    arguments.Positional("NAME", name_, "The source.");
    return arguments;
  }

  void DescribeKeys(Arguments& a) {
    Named(a, "list", "Lists them.", &Sources::ListKeys);
    Arguments& create =
        Named(a, "create", "Makes one; only this answer shows it whole.", &Sources::CreateKey);
    create.Option("--expires-at", expires_at_, "TIME", "When it ends.");
    Arguments& rotate = Named(a, "rotate", "Makes a new one; the others end after the overlap.",
                              &Sources::RotateKeys);
    rotate.Option("--overlap", overlap_, "SPAN", "How long the others still open (24h).");
    for (Arguments* arguments : {&create, &rotate}) {
      arguments->Option("--scope", scopes_, "SCOPE", "What it may be used for.");
    }
    for (const auto& [verb, help, method] :
         {std::tuple{"disable", "Closes one.", &Sources::DisableKey},
          std::tuple{"enable", "Opens it again.", &Sources::EnableKey},
          std::tuple{"delete", "Removes one.", &Sources::DeleteKey}}) {
      Named(a, verb, help, method).Positional("KEY_ID", key_id_, "As 'keys list' shows it.");
    }
  }

  std::string PathOf(std::string_view rest = {}) const {
    return std::string(kSourcesPath) + "/" + EncodePathPart(name_) + std::string(rest);
  }
  std::string KeyPath(std::string_view rest = {}) const {
    return PathOf("/write-keys/") + EncodePathPart(key_id_) + std::string(rest);
  }

  Result<std::string> List(Context&, Api& api) {
    return ListOf(
        api, std::string(kSourcesPath), kAllEntries,
        {{"NAME", "name"}, {"STATUS", "", SourceStatus}, {"KEYS", "", KeysCell}, {"ACK", "ack"}});
  }
  Result<std::string> Show(Context&, Api& api) { return GetPretty(api, PathOf()); }
  Result<std::string> Create(Context&, Api& api) {
    std::vector<std::string> assignments = assignments_;
    assignments.insert(assignments.begin(), "name=" + ordered_json(name_).dump());
    TRY_ASSIGN(std::string object, ObjectOf(assignments));
    TRY_ASSIGN(const std::string body, Post(api, std::string(kSourcesPath), std::move(object)));
    return Pretty(body);  // the one answer that has the key
  }
  Result<std::string> Set(Context&, Api& api) {
    TRY_ASSIGN(std::string object, ObjectOf(assignments_));
    TRY_ASSIGN(const std::string body,
               CallForBody(api, {.method = "PATCH", .path = PathOf(), .body = std::move(object)}));
    return Said(body, "changed '" + name_ + "'");
  }
  Result<std::string> Delete(Context&, Api& api) {
    TRY(CallForBody(api, {.method = "DELETE", .path = PathOf()}));
    return Said("{}", "deleted '" + name_ + "'");
  }

  Result<std::string> ListKeys(Context&, Api& api) {
    // Not paged: a source has few, and the server takes no limit here.
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf("/write-keys")}));
    const auto page = ordered_json::parse(body, nullptr, false);
    if (!page.is_object() || !page.contains("data") || !page["data"].is_array()) {
      return Fail(ErrorCode::kInternal, "the server's list is not as it should be");
    }
    std::vector<std::string> keys;
    for (const auto& key : page["data"]) keys.push_back(key.dump());
    if (options_.json) return ListJson(keys);
    return ListText(keys, {{"ID", "id"},
                           {"KEY", "key"},
                           {"STATUS", "status"},
                           {"SCOPES", "scopes"},
                           {"CREATED", "created_at"},
                           {"EXPIRES", "expires_at"}});
  }
  Result<std::string> CreateKey(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/write-keys"), KeyBody()));
    return Pretty(body);
  }
  Result<std::string> RotateKeys(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, PathOf("/write-keys/rotate"), KeyBody()));
    return Pretty(body);
  }
  Result<std::string> DisableKey(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, KeyPath("/disable")));
    return Said(body, "disabled '" + key_id_ + "'");
  }
  Result<std::string> EnableKey(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, Post(api, KeyPath("/enable")));
    return Said(body, "enabled '" + key_id_ + "'");
  }
  Result<std::string> DeleteKey(Context&, Api& api) {
    TRY(CallForBody(api, {.method = "DELETE", .path = KeyPath()}));
    return Said("{}", "deleted '" + key_id_ + "'");
  }

  std::string KeyBody() const {
    ordered_json body = ordered_json::object();
    if (!scopes_.empty()) body["scopes"] = scopes_;
    if (expires_at_) body["expires_at"] = *expires_at_;
    if (overlap_) body["overlap"] = *overlap_;
    return config::DumpOrderedText(body);
  }

  std::string name_;
  std::string key_id_;
  std::vector<std::string> assignments_;
  std::vector<std::string> scopes_;
  std::optional<std::string> expires_at_;
  std::optional<std::string> overlap_;
};

const CommandRegistration kSources =
    Register<Sources>("sources", "Lists, makes and changes a server's sources and write keys.");

}  // namespace
}  // namespace tributary::cli
