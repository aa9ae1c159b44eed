// The program from the command line on.
#pragma once

namespace tributary::app {

int RunMain(int argc, char** argv);

}  // namespace tributary::app
