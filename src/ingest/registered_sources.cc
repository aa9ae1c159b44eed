#include "ingest/source.h"

namespace tributary::ingest {
namespace {

// A function's static, so that it exists before the first registration of any file.
std::vector<const SourceRegistration*>& Table() {
  static std::vector<const SourceRegistration*> table;
  return table;
}

}  // namespace

SourceRegistration::SourceRegistration(std::string_view source_name,
                                       std::string_view source_summary, Make make_source)
    : name(source_name), summary(source_summary), make(make_source) {
  Table().push_back(this);
}

const std::vector<const SourceRegistration*>& RegisteredSources() {
  return Table();
}

}  // namespace tributary::ingest
