// Picks a subcommand (cli/command.h); all else is in the folders.
#include "app/run.h"

int main(int argc, char** argv) {
  return tributary::app::RunMain(argc, argv);
}
